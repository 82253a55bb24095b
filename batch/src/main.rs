//! The program `batch`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use batch::cli::{
    Cli, Command, Common, ExportArgs, Format, HistoryArgs, IngestArgs, InputFlags, ModelFlags, RunArgs, ShowArgs,
    VacuumArgs,
};
use batch::config::{Config, RawConfig};
use batch::draft::Draft;
use batch::error::{Error, Result};
use batch::progress::Progress;
use batch::report::Input;
use batch::run::{Context, document};
use batch::show::counted;
use batch::{export, guard, show, source};
use clap::Parser;
use data::lake::{Lake, Table, WriterLock, vacuum};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// Files that another writer may be about to commit are younger.
const VACUUM_GRACE: Duration = Duration::from_secs(24 * 3600);

fn main() -> ExitCode {
    guard::silence();
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(command: Command) -> Result<()> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| Error::Read { name: "async runtime".to_owned(), source })?;
    match command {
        Command::Run(args) => run_batch(&args, &runtime),
        Command::Ingest(args) => ingest(&args, &runtime),
        Command::Show(args) => show_publication(&args, &runtime),
        Command::History(args) => history(&args, &runtime),
        Command::Export(args) => export_table(&args, &runtime),
        Command::Vacuum(args) => vacuum_lake(&args, &runtime),
    }
}

fn configure(common: &Common, input: &InputFlags, model: &ModelFlags) -> Result<Config> {
    data::telemetry::start(common.quiet);
    let raw = common.config.as_deref().map(RawConfig::read).transpose()?.unwrap_or_default();
    raw.check(common, input, model)
}

fn read_only(common: &Common) -> Result<(Config, Lake)> {
    let config = configure(common, &InputFlags::default(), &ModelFlags::default())?;
    let lake = Lake::open_existing(&config.lake)?;
    Ok((config, lake))
}

fn run_batch(args: &RunArgs, runtime: &Runtime) -> Result<()> {
    let config = configure(&args.common, &args.flags, &args.model)?;
    let progress = Progress::new(args.common.quiet);
    let context = Context { config: &config, runtime: runtime.handle(), progress: &progress };
    // Begun before the run, so that a path that cannot be written is told before anything is published.
    let picture = args.html.as_deref().map(Draft::new).transpose()?;
    let document = context.run(&args.input)?;
    if let Some(picture) = picture {
        show::picture(&document, picture)?;
    }
    print_document(&args.common, &document, show::text)
}

fn ingest(args: &IngestArgs, runtime: &Runtime) -> Result<()> {
    let config = configure(&args.common, &args.flags, &ModelFlags::default())?;
    let progress = Progress::new(args.common.quiet);
    let context = Context { config: &config, runtime: runtime.handle(), progress: &progress };
    let sources = source::expand(&args.input)?;
    let (lake, ingested) =
        context.with_lake(|writing| Ok((writing.lake.location(), context.ingest(writing, &sources)?)))?;
    let document = json!({
        "lake": lake,
        "input": Input::new(&ingested.counts, ingested.already_known),
        "sources": ingested.sources,
    });
    print_document(&args.common, &document, |document| show::cleaning(&document["input"]))
}

fn show_publication(args: &ShowArgs, runtime: &Runtime) -> Result<()> {
    let (_, lake) = read_only(&args.common)?;
    let publication = runtime.block_on(lake.publication(args.publication))?;
    let document = document(&publication)?;
    if let Some(path) = &args.html {
        show::picture(&document, Draft::new(path)?)?;
    }
    print_document(&args.common, &document, show::text)
}

fn history(args: &HistoryArgs, runtime: &Runtime) -> Result<()> {
    let (_, lake) = read_only(&args.common)?;
    let publications = runtime.block_on(async {
        match lake.snapshot(Table::Publications, None).await? {
            Some(table) => table.publications().await,
            None => Ok(Vec::new()),
        }
    })?;
    let documents: Vec<Value> = publications.iter().map(show::history_entry).collect();
    let document = json!({ "lake": lake.location(), "publications": documents });
    print_document(&args.common, &document, |_| {
        if publications.is_empty() {
            return format!(
                "lake {} has no publication yet; make one: batch run --lake {0} --input FILE\n",
                lake.location()
            );
        }
        format!("{}\n", show::history(&publications))
    })
}

fn export_table(args: &ExportArgs, runtime: &Runtime) -> Result<()> {
    let (_, lake) = read_only(&args.common)?;
    let names = Table::ALL.map(Table::name).join(", ");
    let table = Table::from_name(&args.table).ok_or_else(|| Error::Option {
        flag: "TABLE",
        reason: format!("there is no table {:?}; the tables are {names}", args.table),
    })?;
    let whole_document = args.common.json && args.output.is_none();
    let by_name = args.output.as_deref().map_or(Ok(args.format), |path| export::format_of(path, args.format))?;
    let format = by_name.unwrap_or(if whole_document { Format::Json } else { Format::Csv });
    if whole_document && format != Format::Json {
        return Err(Error::Option {
            flag: "--json",
            reason: "the export itself goes to stdout; name a file with -o, or leave --json out".to_owned(),
        });
    }
    let (snapshot, publication) = runtime.block_on(export::open(&lake, table, args.publication))?;
    let rows = runtime.block_on(export::write(&snapshot, table, format, args.output.as_deref()))?;
    let Some(path) = &args.output else { return Ok(()) };
    let file = Some(path.display().to_string());
    let document = serde_json::to_value(export::Exported { table: table.name(), publication, rows, file })?;
    print_document(&args.common, &document, |_| {
        format!("{} of {} in {}\n", counted(rows, "row"), table.name(), path.display())
    })
}

fn vacuum_lake(args: &VacuumArgs, runtime: &Runtime) -> Result<()> {
    let (config, lake) = read_only(&args.common)?;
    let progress = Progress::new(args.common.quiet);
    let done = runtime.block_on(async {
        let lock =
            WriterLock::take(&lake, config.wait, |holder| progress.say(&format!("waiting for another run ({holder})")))
                .await?;
        let done = vacuum(&lake, args.keep as usize, VACUUM_GRACE, args.dry_run).await;
        lock.release().await;
        done
    })?;
    let document = serde_json::to_value(&done)?;
    print_document(&args.common, &document, |_| {
        let verb = if args.dry_run { "would forget" } else { "forgot" };
        format!(
            "{verb} {} and {} of {}; {} {}\n",
            counted(done.publications.len() as u64, "publication"),
            counted(done.files, "file"),
            counted(done.bytes, "byte"),
            counted(done.kept_publications, "publication"),
            if done.kept_publications == 1 { "stays" } else { "stay" }
        )
    })
}

/// One JSON document with `--json`, else text.
fn print_document(common: &Common, document: &Value, text: impl FnOnce(&Value) -> String) -> Result<()> {
    let shown = if common.json { format!("{document}\n") } else { text(document) };
    let fail = |source| Error::Write { path: "stdout".to_owned(), source };
    let mut out = io::stdout().lock();
    out.write_all(shown.as_bytes()).and_then(|()| out.flush()).map_err(fail)
}
