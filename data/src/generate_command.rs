//! `data generate orders`: an order file for those who have none.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use data::generate::{Date, Encoding, Error, Options, Output, Progress, RawOptions, Size, Summary, write_orders};
use indicatif::{ProgressBar, ProgressStyle};

const EXAMPLES: &str = "\
Examples:
  data generate orders                                  50,000 lines of 1,000 customers in orders.csv
  data generate orders --lines 5000000 -o big.csv.zst   a large file, compressed
  data generate orders --invoices 200 --seed 7 -o -     a small one on stdout
  data generate orders --dirty 0.01 --json              faults in 1 % of the lines; what batch must find, as JSON
  data generate orders --from 2023-01-01 --to 2024-12-31 --customers 20000 --lines 2000000

The same options give the same bytes on every machine. The summary says how many lines the cleaning rule accepts,
how many it refuses and why, and how many customers, invoices and how much revenue the accepted lines hold.";

/// Write a made-up order file in the shape of UCI Online Retail: a gift shop's invoice lines
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct OrdersArgs {
    /// File to write; .gz and .zst compress, - is stdout
    #[arg(short, long, value_name = "FILE", default_value = "orders.csv")]
    output: PathBuf,
    /// Order lines, exactly [default: 50000]
    #[arg(long, value_name = "N", value_parser = count, conflicts_with = "invoices")]
    lines: Option<u64>,
    /// Invoices, exactly; cancellations and adjustments count
    #[arg(long, value_name = "N", value_parser = count)]
    invoices: Option<u64>,
    /// Customers with an id, as far as the file has room for them [default: one for 50 lines, at most 1000000]
    #[arg(long, value_name = "N", value_parser = count)]
    customers: Option<u64>,
    /// Different products [default: 2000]
    #[arg(long, value_name = "N", value_parser = count)]
    products: Option<u64>,
    /// First day [default: 2010-12-01]
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Last day [default: a year after the first]
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// Another seed gives another file
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Share of lines to make dirty: unreadable dates, words for numbers, missing fields, open quotes
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, allow_negative_numbers = true)]
    dirty: f64,
    /// iso-8859-1 (as the original) or utf-8
    #[arg(long, value_name = "NAME", default_value = "iso-8859-1")]
    encoding: Encoding,
    /// Print the summary as a JSON document: on stdout, or on stderr when the orders go to stdout
    #[arg(long)]
    json: bool,
    /// Neither progress nor a summary for people
    #[arg(short, long)]
    quiet: bool,
}

/// Writes the file and its summary. A reader that goes away, as `head` does, ends it quietly.
///
/// # Errors
/// [`Error::Option`] for choices that do not work, [`Error::Write`] when the output cannot be written.
pub fn run(args: &OrdersArgs) -> Result<(), Error> {
    let options = args.options()?;
    match generate(args, &options) {
        Err(error) if error.is_broken_pipe() => Ok(()),
        done => done,
    }
}

fn generate(args: &OrdersArgs, options: &Options) -> Result<(), Error> {
    let to_stdout = args.output.as_os_str() == "-";
    let output = if to_stdout { Output::stdout() } else { Output::file(&args.output)? };
    let mut display = Display::new(options.size(), args.quiet);
    let written =
        output.write(|out| write_orders(options, out, |progress| display.show(progress)).map(|(_, summary)| summary));
    display.finish();
    let summary = written?;
    let text = match (args.json, args.quiet) {
        (true, _) => json(&summary)?,
        (false, true) => return Ok(()),
        (false, false) => report(&summary, &args.output.display().to_string()),
    };
    let (shown, done) =
        if to_stdout { ("stderr", io::stderr().write_all(text.as_bytes())) } else { ("stdout", say(&text)) };
    done.map_err(|source| Error::Write { path: shown.to_owned(), source })
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn json(summary: &Summary) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(summary);
    text.map(|text| text + "\n")
        .map_err(|source| Error::Write { path: "the summary".to_owned(), source: source.into() })
}

impl OrdersArgs {
    fn options(&self) -> Result<Options, Error> {
        let raw = RawOptions {
            lines: self.lines,
            invoices: self.invoices,
            customers: self.customers,
            products: self.products,
            from: self.from,
            to: self.to,
            seed: self.seed,
            dirty: self.dirty,
            encoding: self.encoding,
        };
        raw.check()
    }
}

/// A whole number; `1_000_000` and `1,000,000` are fine.
fn count(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|letter| !matches!(letter, '_' | ',')).collect();
    digits.parse().map_err(|_| "give a whole number such as 50000".to_owned())
}

/// Progress on stderr: a bar on a terminal, a line every few seconds elsewhere.
struct Display {
    bar: ProgressBar,
    size: Size,
    /// When the next line is due; `None` when a bar shows, or nothing shall.
    next_line: Option<Instant>,
}

const LINE_EVERY: Duration = Duration::from_secs(5);

impl Display {
    fn new(size: Size, quiet: bool) -> Self {
        let on_terminal = io::stderr().is_terminal();
        let (all, unit) = match size {
            Size::Lines(lines) => (lines, "lines"),
            Size::Invoices(invoices) => (invoices, "invoices"),
        };
        let bar = if quiet || !on_terminal { ProgressBar::hidden() } else { ProgressBar::new(all) };
        let template = format!("generating {{wide_bar}} {{human_pos}} of {{human_len}} {unit}, {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        let next_line = (!quiet && !on_terminal).then(|| Instant::now() + LINE_EVERY);
        Self { bar, size, next_line }
    }

    fn show(&mut self, progress: Progress) {
        let (done, all, unit) = match self.size {
            Size::Lines(all) => (progress.lines, all, "lines"),
            Size::Invoices(all) => (progress.invoices, all, "invoices"),
        };
        self.bar.set_position(done);
        let now = Instant::now();
        if self.next_line.is_some_and(|due| now >= due) {
            // Progress that nobody can read is no reason to stop.
            let _ = writeln!(io::stderr(), "generated {} of {} {unit}", grouped(done), grouped(all));
            self.next_line = Some(now + LINE_EVERY);
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn report(summary: &Summary, path: &str) -> String {
    let accepted = &summary.accepted;
    let target = if path == "-" { "stdout" } else { path };
    let mut text = format!(
        "wrote {} order lines on {} invoices to {target} ({} bytes of csv, {}, seed {})\n",
        grouped(summary.lines),
        grouped(summary.invoices),
        grouped(summary.bytes),
        summary.encoding,
        summary.seed
    );
    text += &format!(
        "  accepted {:>16}   {} customers, {} invoices, revenue {}\n",
        grouped(accepted.lines),
        grouped(accepted.customers),
        grouped(accepted.invoices),
        accepted.revenue
    );
    let rejected = summary.rejected.iter().filter(|(_, count)| **count > 0);
    text.extend(rejected.map(|(reason, count)| format!("  rejected {:>16}   {reason}\n", grouped(*count))));
    if summary.dirty_lines > 0 {
        text += &format!("  of these {:>16}   were made dirty on purpose\n", grouped(summary.dirty_lines));
    }
    text + &format!("  and      {:>16}   repeat the line before them\n", grouped(summary.duplicate_lines))
}

/// Digits in threes: `1,234,567`.
fn grouped(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", grouped(number / 1_000), number % 1_000) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: OrdersArgs,
    }

    fn refusal(flags: &[&str]) -> String {
        match Cli::try_parse_from(std::iter::once(&"orders").chain(flags)) {
            Ok(cli) => run(&cli.args).expect_err("refused").to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn bad_flags_are_refused_by_name() {
        let cases = [
            (vec!["--lines", "many"], "'--lines <N>': give a whole number such as 50000"),
            (vec!["--lines", "5", "--invoices", "5"], "'--lines <N>' cannot be used with '--invoices <N>'"),
            (vec!["--from", "1/12/2010"], "'--from <DATE>': no such day; write year-month-day"),
            (vec!["--encoding", "utf-16"], "'--encoding <NAME>': use iso-8859-1 or utf-8"),
            (vec!["--dirty", "-0.1"], "--dirty: -0.1 is no fraction of the lines"),
            (vec!["--products", "0"], "--products: 0 is out of range; give a number from 1 to 50000"),
            (vec!["-o", "/no/such/folder/orders.csv"], "cannot write /no/such/folder/orders.csv: No such file"),
        ];
        for (flags, expected) in cases {
            let said = refusal(&flags);
            assert!(said.contains(expected), "{flags:?}: {said}");
        }
    }

    #[test]
    fn groups_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(count("1_000,000"), Ok(1_000_000));
    }
}
