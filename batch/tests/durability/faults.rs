//! Full disks, read-only lakes, damaged files: an error that says what is wrong, and nothing lost.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Done, Lake, Place, with_inputs};

/// Writes fail at another place in each round, until there is room for the whole run.
#[test]
fn a_run_that_may_not_write_on_leaves_the_publication() {
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 6_000, 2);
    let (lake, undisturbed) = (place.lake("lake"), place.lake("undisturbed"));
    lake.run(&[&first]);
    let published = lake.view(None);
    lake.copy(&undisturbed);
    undisturbed.run(&[&second]);

    let mut refused = 0;
    for blocks in (1..10).map(|power| 1 << power) {
        // Without the trap the signal would end the process, as kill does.
        let limits = format!("trap '' XFSZ; ulimit -f {blocks}");
        let limited = lake.command_after(&limits, &with_inputs("run", &[&second])).output().expect("sh starts");
        let done = Done::of(limited);
        if done.succeeded() {
            break;
        }
        refused += 1;
        done.must_fail(1, &["File too large"]);
        lake.view(None).must_equal(&published, &format!("{blocks} blocks"));
    }
    assert!(refused >= 3, "only {refused} rounds failed");
    lake.run(&[&second]);
    lake.figures().must_equal(&undisturbed.figures(), "with room again");
    let unfinished: Vec<_> = lake.files().into_keys().filter(|path| path.contains('#')).collect();
    assert_eq!(unfinished, Vec::<String>::new(), "a run that fails tidies up");
}

/// A file that another one has taken the place of: never a sum of what is left.
#[test]
fn a_file_of_orders_of_another_length_is_told() {
    let place = Place::new();
    let (orders, _) = place.orders("orders.csv", 1_500, 1);
    let lake = place.lake("lake");
    lake.run(&[&orders]);
    let published = lake.view(None);
    let files: Vec<PathBuf> = glob::glob(&format!("{}/orders/month=*/*.parquet", lake.location))
        .expect("a pattern")
        .map(|file| file.expect("a file"))
        .collect();
    let whole = fs::read(&files[1]).expect("a file of orders");
    fs::copy(&files[0], &files[1]).expect("a copy");
    lake.ask(&["run"]).must_fail(1, &["cannot read table orders", "it was changed after it was written"]);
    fs::write(&files[1], whole).expect("the file as it was");
    lake.view(None).must_equal(&published, "nothing else was published");
}

/// Fills a small disk of its own but for some kilobytes, runs, frees the disk, shows, and so on.
const ON_A_FULL_DISK: &str = r#"
mount -t tmpfs -o size=2m tmpfs "$LAKE" || exit 77
"$BATCH" run --quiet --input "$FIRST" --lake "$LAKE" >/dev/null
for free in 0 4 8 16 32 64 96 128 192 256 384; do
    cat /dev/zero >"$LAKE/fill" 2>/dev/null || :
    truncate --size=-"$free"K "$LAKE/fill"
    code=0
    "$BATCH" run --quiet --input "$SECOND" --lake "$LAKE" >"$OUT/$free.out" 2>"$OUT/$free.err" || code=$?
    echo "$code" >"$OUT/$free.code"
    "$BATCH" show --json --lake "$LAKE" >"$OUT/$free.show"
    rm "$LAKE/fill"
    [ "$code" != 0 ] || break
done
cp -r "$LAKE" "$OUT/lake"
"#;

#[test]
fn a_full_disk_is_told_and_leaves_the_publication() {
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 6_000, 2);
    let undisturbed = place.lake("undisturbed");
    let [mount, out] = ["mount", "out"].map(|name| place.path(name));
    fs::create_dir(&mount).and_then(|()| fs::create_dir(&out)).expect("folders");
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-euc", ON_A_FULL_DISK]).env("BATCH", env!("CARGO_BIN_EXE_batch"));
    shell.env("LAKE", &mount).env("OUT", &out).env("FIRST", &first).env("SECOND", &second).stdin(Stdio::null());
    let Ok(output) = shell.output() else { return eprintln!("skipped: there is no program unshare") };
    let done = Done::of(output);
    if !done.succeeded() && !mount_works() {
        return eprintln!("skipped: cannot mount a small disk here: {}", done.stderr);
    }
    assert!(done.succeeded(), "{done:?}");

    undisturbed.run(&[&first]);
    let [mut full, mut rounds] = [0, 0];
    for free in ["0", "4", "8", "16", "32", "64", "96", "128", "192", "256", "384"] {
        let said = |what: &str| fs::read_to_string(out.join(format!("{free}.{what}"))).ok();
        let Some(code) = said("code") else { break };
        rounds += 1;
        let shown: serde_json::Value = serde_json::from_str(&said("show").expect("text")).expect("one JSON document");
        if code.trim() == "0" {
            assert_eq!(shown["publication"], 2);
            continue;
        }
        full += 1;
        assert_eq!(code.trim(), "1");
        let error = said("err").expect("text");
        assert!(error.starts_with("error: ") && error.contains("No space left on device"), "{free} kB: {error}");
        assert!(!error.contains("panicked"), "{free} kB: {error}");
        assert_eq!(shown["publication"], 1, "{free} kB");
    }
    assert!(full >= 3 && full < rounds, "{full} of {rounds} rounds found the disk full");
    undisturbed.run(&[&second]);
    place.lake("out/lake").figures().must_equal(&undisturbed.figures(), "with room again");
}

fn mount_works() -> bool {
    let tried = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    tried.is_ok_and(|output| output.status.success())
}

#[test]
fn a_read_only_lake_can_be_read() {
    let place = Place::new();
    let (orders, _) = place.orders("orders.csv", 1_500, 1);
    let lake = place.lake("lake");
    lake.run(&[&orders]);
    let read_only = |arguments: &[&str]| {
        let mut shell = Command::new("unshare");
        let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 77; shift; exec \"$@\"";
        shell.args(["-rm", "sh", "-c", script, "sh", &lake.location]);
        shell.arg(env!("CARGO_BIN_EXE_batch")).args(arguments).args(["--lake", &lake.location]).stdin(Stdio::null());
        shell.output().ok().map(Done::of).filter(|done| done.status.code() != Some(77))
    };
    if read_only(&["show"]).is_none() || !mount_works() {
        return eprintln!("skipped: cannot mount a folder read-only here");
    }
    for command in
        [&["show"][..], &["show", "--json"], &["history"], &["export", "customer_rfm"], &["export", "orders"]]
    {
        let done = read_only(command).expect("it starts");
        assert!(done.succeeded(), "{command:?}: {done:?}");
        assert_eq!(done.stdout, lake.text(command));
    }
    let orders = with_inputs("run", &[&orders]);
    for command in [&["run"][..], &orders, &["vacuum", "--keep", "1"]] {
        read_only(command).expect("it starts").must_fail(1, &[&lake.location, "write lock", "Read-only file system"]);
    }
    let elsewhere = format!("{}/new", lake.location);
    let done = read_only(&["run", "--lake", &elsewhere]).expect("it starts");
    assert_eq!(done.status.code(), Some(2), "two lakes are named: {done:?}");
}

/// What is done to a file.
type Damage = fn(&Path);

fn removed(path: &Path) {
    fs::remove_file(path).expect("a file to remove");
}

fn halved(path: &Path) {
    let file = File::options().write(true).open(path).expect("a file");
    file.set_len(file.metadata().expect("its size").len() / 2).expect("a shorter file");
}

fn emptied(path: &Path) {
    fs::write(path, "").expect("an empty file");
}

fn garbled(path: &Path) {
    fs::write(path, "{\"add\": ]\n\0\u{1}PAR1 not what it was\n".repeat(20)).expect("another file");
}

#[test]
fn damage_is_told_by_table_and_file() {
    let place = Place::new();
    let (first, _) = place.orders("first.csv", 1_500, 1);
    let (second, _) = place.orders("second.csv", 1_500, 2);
    let lake = place.lake("lake");
    lake.run(&[&first]);
    let damages: [(&str, Damage); 4] =
        [("removed", removed), ("halved", halved), ("emptied", emptied), ("garbled", garbled)];
    let again = with_inputs("run", &[&second]);
    let cases: [(&str, &[&str]); 6] = [
        ("customer_rfm", &["export", "customer_rfm"]),
        ("orders", &["export", "orders"]),
        ("orders", &["run"]),
        ("publications", &["show"]),
        ("publications", &["history"]),
        ("sources", &again),
    ];
    for (what, damage) in damages {
        for (table, command) in cases {
            let damaged = place.lake("damaged");
            lake.copy(&damaged);
            let (path, name) = data_file(&damaged, table);
            damage(&path);
            eprintln!("{what} {table}/{name}, {command:?}");
            damaged.ask(command).must_fail(1, &[table, &name]);
            fs::remove_dir_all(damaged.path()).expect("a lake to remove");
        }
    }
}

#[test]
fn a_damaged_log_is_told_by_table_and_file() {
    let place = Place::new();
    let (orders, _) = place.orders("orders.csv", 1_500, 1);
    let lake = place.lake("lake");
    lake.run(&[&orders]);
    lake.run(&[]);
    let damages: [(&str, Damage); 4] =
        [("removed", removed), ("halved", halved), ("emptied", emptied), ("garbled", garbled)];
    let cases: [(&str, &[&str]); 3] =
        [("customer_rfm", &["export", "customer_rfm"]), ("orders", &["run"]), ("publications", &["show"])];
    for commit in ["_delta_log/00000000000000000000.json", "_delta_log/00000000000000000001.json"] {
        for (what, damage) in damages {
            for (table, command) in cases {
                let damaged = place.lake("damaged");
                lake.copy(&damaged);
                damage(&damaged.path().join(table).join(commit));
                eprintln!("{what} {table}/{commit}, {command:?}");
                // A log without its newest commit is a good log of an older table, but not of this lake.
                let behind = what == "removed" && table == "orders" && commit.ends_with("1.json");
                let told = if behind { "table orders is at version 0".to_owned() } else { format!("{commit} is ") };
                damaged.ask(command).must_fail(1, &[&format!("table {table}"), &told]);
                fs::remove_dir_all(damaged.path()).expect("a lake to remove");
            }
        }
    }
}

/// Some data file of `table`, and its name.
fn data_file(lake: &Lake, table: &str) -> (PathBuf, String) {
    let files = lake.files();
    let of_table = |path: &&String| path.starts_with(&format!("{table}/")) && path.ends_with(".parquet");
    let path = files.keys().find(of_table).expect("a data file");
    let name = path.rsplit('/').next().expect("a name").to_owned();
    (lake.path().join(path), name)
}
