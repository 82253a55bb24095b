// What a table shows of a row.
export interface Column<T> {
  key: string;
  label: string;
  text: (row: T) => string;
  /** What the column is, behind its label. */
  about?: string;
  /** Read out instead of a text that has to be seen. */
  spoken?: (row: T) => string;
  /** Numbers stand at the right. */
  num?: boolean;
  title?: (row: T) => string;
  href?: (row: T) => string | undefined;
  /** The segment whose mark stands before the text, which is its name. */
  segment?: (row: T) => number | null;
  /** The server's name for sorting by this column. */
  sort?: string;
  /** Names the row, where a table becomes a list. */
  lead?: boolean;
  mono?: boolean;
  width?: string;
}
