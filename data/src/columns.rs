//! Which field of a source is which column of an order line.

use std::collections::BTreeMap;

/// The columns of an order line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Invoice,
    StockCode,
    Description,
    Quantity,
    OrderedAt,
    UnitPrice,
    CustomerId,
    Country,
}

impl Column {
    pub const ALL: [Self; 8] = [
        Self::Invoice,
        Self::StockCode,
        Self::Description,
        Self::Quantity,
        Self::OrderedAt,
        Self::UnitPrice,
        Self::CustomerId,
        Self::Country,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::StockCode => "stock_code",
            Self::Description => "description",
            Self::Quantity => "quantity",
            Self::OrderedAt => "ordered_at",
            Self::UnitPrice => "unit_price",
            Self::CustomerId => "customer_id",
            Self::Country => "country",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    const fn required(self) -> bool {
        !matches!(self, Self::StockCode | Self::Description | Self::Country)
    }

    /// Common spellings, letters and digits only, in order of preference.
    const fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Invoice => &[
                "invoiceno",
                "invoice",
                "invoicenumber",
                "invoiceid",
                "orderid",
                "orderno",
                "ordernumber",
                "transactionid",
            ],
            Self::StockCode => &["stockcode", "sku", "productid", "productcode", "itemid", "itemcode"],
            Self::Description => &["description", "productname", "itemname", "productdescription"],
            Self::Quantity => &["quantity", "qty", "units"],
            Self::OrderedAt => &[
                "invoicedate",
                "orderdate",
                "orderedat",
                "ordertime",
                "invoicedatetime",
                "orderdatetime",
                "purchasedate",
                "transactiondate",
                "datetime",
                "timestamp",
                "createdat",
                "date",
            ],
            Self::UnitPrice => &["unitprice", "price", "itemprice", "priceperunit"],
            Self::CustomerId => &["customerid", "customerno", "customernumber", "customer", "clientid", "userid"],
            Self::Country => &["country", "customercountry", "shippingcountry", "shipcountry"],
        }
    }
}

/// Names that the user gave to columns: `customer_id=Client`.
pub type ColumnMap = BTreeMap<Column, String>;

/// The position of each column among a source's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    positions: [Option<usize>; 8],
    /// Fields that every line must have.
    pub fields: usize,
}

impl Columns {
    /// Finds the columns in a header.
    ///
    /// # Errors
    /// Names the columns that are missing and the ones that are there.
    pub fn find(header: &[String], map: &ColumnMap) -> Result<Self, String> {
        let mut positions = [None; 8];
        let mut missing = Vec::new();
        for (column, position) in Column::ALL.into_iter().zip(&mut positions) {
            *position = match map.get(&column) {
                Some(name) => Some(by_given_name(header, name).ok_or_else(|| {
                    format!(
                        "--map {}={name}: there is no column {name:?}; the header has {}",
                        column.name(),
                        listed(header)
                    )
                })?),
                None => by_spelling(header, column, map),
            };
            if position.is_none() && column.required() {
                missing.push(column.name());
            }
        }
        if missing.is_empty() {
            // Names may end with a delimiter where lines do not.
            let unnamed = header.iter().rev().take_while(|name| name.is_empty()).count();
            return Ok(Self { positions, fields: header.len() - unnamed });
        }
        let example = missing.first().copied().unwrap_or_default();
        Err(format!(
            "no column for {}; the header has {}; name it with --map {example}=COLUMN",
            missing.join(", "),
            listed(header)
        ))
    }

    /// The field at which `column` is found, if it is there.
    #[inline]
    #[must_use]
    pub fn position(&self, column: Column) -> Option<usize> {
        self.positions.get(column as usize).copied().flatten()
    }

    /// Columns recognised in a header, to tell a good reading of it from a bad one.
    #[must_use]
    pub fn recognised(header: &[String], map: &ColumnMap) -> usize {
        Column::ALL
            .into_iter()
            .filter(|column| match map.get(column) {
                Some(name) => by_given_name(header, name).is_some(),
                None => by_spelling(header, *column, map).is_some(),
            })
            .count()
    }
}

fn by_given_name(header: &[String], name: &str) -> Option<usize> {
    header
        .iter()
        .position(|field| field == name)
        .or_else(|| header.iter().position(|field| plain(field) == plain(name)))
}

fn by_spelling(header: &[String], column: Column, map: &ColumnMap) -> Option<usize> {
    let taken = |field: &str| map.values().any(|name| name == field);
    column
        .spellings()
        .iter()
        .find_map(|spelling| header.iter().position(|field| plain(field) == *spelling && !taken(field)))
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn listed(header: &[String]) -> String {
    const SHOWN: usize = 30;
    let names: Vec<String> = header.iter().take(SHOWN).map(|name| name.chars().take(60).collect()).collect();
    let rest = header.len().saturating_sub(SHOWN);
    if rest == 0 { names.join(", ") } else { format!("{}, and {rest} more", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &str) -> Vec<String> {
        names.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn recognises_common_spellings() {
        for names in [
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
            "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country",
            "invoice_no,stock_code,description,quantity,invoice_date,unit_price,customer_id,country",
        ] {
            let columns = Columns::find(&header(names), &ColumnMap::new()).expect("all columns");
            let found: Vec<_> = Column::ALL.into_iter().filter_map(|column| columns.position(column)).collect();
            assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 7], "{names}");
        }
    }

    #[test]
    fn a_header_may_end_with_a_delimiter() {
        let columns =
            Columns::find(&header("InvoiceNo,Quantity,InvoiceDate,UnitPrice,CustomerID,,"), &ColumnMap::new());
        assert_eq!(columns.map(|columns| columns.fields), Ok(5));
    }

    #[test]
    fn says_what_is_missing_and_how_to_map_it() {
        let names = header("InvoiceNo,Quantity,InvoiceDate,UnitPrice,Client");
        let error = Columns::find(&names, &ColumnMap::new()).expect_err("no customer");
        assert_eq!(
            error,
            "no column for customer_id; the header has InvoiceNo, Quantity, InvoiceDate, UnitPrice, Client; name it with --map customer_id=COLUMN"
        );
        let map = ColumnMap::from([(Column::CustomerId, "Client".to_owned())]);
        let columns = Columns::find(&names, &map).expect("mapped");
        assert_eq!((columns.position(Column::CustomerId), columns.position(Column::Country)), (Some(4), None));
        let wrong = ColumnMap::from([(Column::CustomerId, "Kunde".to_owned())]);
        assert!(Columns::find(&names, &wrong).expect_err("no such column").contains("there is no column \"Kunde\""));
    }
}
