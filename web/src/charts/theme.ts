// Our look for ECharts: the design tokens as they are now, and a tooltip of our own elements (the policy of the page
// allows no style attributes in markup, which ECharts' own tooltip has).
export interface Look {
  ink: string;
  ink2: string;
  ink3: string;
  line: string;
  surface: string;
  accent: string;
  font: string;
}

export function look(): Look {
  const css = getComputedStyle(document.documentElement);
  const of = (name: string) => css.getPropertyValue(name).trim();
  return {
    ink: of("--ink"),
    ink2: of("--ink-2"),
    ink3: of("--ink-3"),
    line: of("--line"),
    surface: of("--surface"),
    accent: of("--accent"),
    font: of("--sans"),
  };
}

export const text = (l: Look, color = l.ink3) => ({ color, fontFamily: l.font, fontSize: 11 });

export const tooltip = (l: Look) => ({
  confine: true,
  backgroundColor: l.surface,
  borderColor: l.line,
  borderWidth: 1,
  padding: [8, 12],
  textStyle: { color: l.ink, fontFamily: l.font, fontSize: 13 },
  transitionDuration: 0,
});

export const valueAxis = (l: Look, format: (n: number) => string) => ({
  type: "value" as const,
  splitNumber: 3,
  axisLabel: { ...text(l), formatter: format },
  splitLine: { lineStyle: { color: l.line } },
  axisLine: { show: false },
  axisTick: { show: false },
});

export const categoryAxis = (l: Look, data: string[]) => ({
  type: "category" as const,
  data,
  axisLabel: { ...text(l), hideOverlap: true },
  axisLine: { lineStyle: { color: l.line } },
  axisTick: { show: false },
});

/** A tooltip as elements: title, lines, source. */
export function note(title: string, lines: { text: string; colour?: string }[], source: string): HTMLElement {
  const box = document.createElement("div");
  const add = (tag: string, content: string, className = "") => {
    const e = document.createElement(tag);
    e.textContent = content;
    e.className = className;
    box.append(e);
    return e;
  };
  box.className = "chart-note";
  add("strong", title);
  for (const line of lines) {
    const e = add("span", line.text);
    if (line.colour) {
      const dot = document.createElement("i");
      dot.style.background = line.colour;
      e.prepend(dot);
    }
  }
  add("span", source, "source");
  return box;
}
