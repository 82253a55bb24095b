# The commands of this repository. Run them as `./just RECIPE`: that installs `just` and what the recipe
# needs where they are missing. Its table `needs_of` has a line for each recipe.

set script-interpreter := ["sh", "-eu"]
set positional-arguments

target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
tools := env("CLIENTELE_TOOLS", justfile_directory() / ".tools")
export PATH := tools / "bin:" + env("PATH")

# Python environments are named after what is in them: new requirements make a new one.
test_python := tools / "py-" + replace_regex(sha256_file("tests/requirements.txt"), "^(.{12}).*$", "$1")
bench_python := tools / "py-" + replace_regex(sha256_file("bench/requirements.txt"), "^(.{12}).*$", "$1")

# A real Kafka, likewise: its libraries as kafka/pom.xml names them.
kafka := tools / "kafka-" + replace_regex(sha256_file("kafka/pom.xml"), "^(.{12}).*$", "$1")

# List the recipes
[private]
default:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# From orders to segments, then live in a browser; FILE is your orders, else some are generated
[group("try")]
[script]
demo $FILE="": web
    say() { printf '\n== %s\n' "$*"; }
    target={{ quote(target) }}
    demo="$target/demo"
    bin="$target/release"
    case $FILE in
    "" | /*) ;;
    *) FILE={{ quote(invocation_directory()) }}/$FILE ;;
    esac
    [ -z "$FILE" ] || [ -e "$FILE" ] || { echo "demo: there is no file $FILE" >&2; exit 1; }

    say "Building the programs (about 20 minutes the first time on two cores, seconds afterwards)"
    cargo build --release --locked --workspace
    rm -rf "$demo"
    mkdir -p "$demo"

    if [ -z "$FILE" ]; then
        FILE="$demo/orders.csv"
        say "Generating a year of orders up to yesterday into $FILE (a second or two)"
        if from=$(date -d '-366 days' +%F 2>/dev/null) && to=$(date -d yesterday +%F); then
            set -- --from "$from" --to "$to"
        else
            set --
        fi
        "$bin/data" generate orders --output "$FILE" "$@"
    fi
    say "From $FILE to published segments in $demo/lake (a second or two for a million lines)"
    "$bin/batch" run --input "$FILE" --lake "$demo/lake"
    "$bin/batch" show --lake "$demo/lake" --html segments.html >/dev/null
    say "The picture is $PWD/segments.html: open it in a browser"
    echo "   The tables are in $demo/lake; ask again with: $bin/batch show --lake $demo/lake"

    say "Live: an embedded broker, made-up orders and clicks, speed, which joins and judges them, and the dashboard (a few seconds)"
    running=''
    trap 'trap - EXIT INT TERM; for pid in $running; do kill "$pid" 2>/dev/null || :; done; wait' EXIT INT TERM
    start() { # NAME COMMAND…: in the background, its output in a file
        name=$1
        shift
        "$@" >"$demo/$name.log" 2>&1 &
        running="$running $!"
    }
    until_true() { # WHAT COMMAND…: waits up to 20 s
        what=$1 left=200
        shift
        until "$@" >/dev/null 2>&1; do
            left=$((left - 1))
            [ "$left" -gt 0 ] || { echo "demo: $what does not come up; see $demo/*.log" >&2; exit 1; }
            sleep 0.1
        done
    }
    start broker "$bin/data" broker --address-file "$demo/broker"
    until_true "the broker" test -s "$demo/broker"
    export CLIENTELE_BROKERS="$(cat "$demo/broker")" CLIENTELE_LAKE="$demo/lake"
    start speed "$bin/speed" run --delivery at-least-once --rules rules/shipped
    until_true "speed" grep -q "shards moved" "$demo/speed.log"
    start producer "$bin/data" produce orders --brokers "$CLIENTELE_BROKERS" --rate 10
    start shoppers "$bin/data" produce clicks --brokers "$CLIENTELE_BROKERS" --rate 10
    port=8080
    while curl -so /dev/null "http://127.0.0.1:$port/" 2>/dev/null; do port=$((port + 1)); done
    start serving "$bin/serving" run --demo --listen "127.0.0.1:$port"
    until_true "serving" grep -q " serving " "$demo/serving.log"
    echo "   brokers $CLIENTELE_BROKERS; logs in $demo/*.log; Ctrl-C ends it"
    say "The dashboard is http://127.0.0.1:$port"
    [ -z "${DISPLAY-}${WAYLAND_DISPLAY-}" ] || xdg-open "http://127.0.0.1:$port" >/dev/null 2>&1 || :
    if [ -t 1 ]; then "$bin/speed" watch; else "$bin/speed" watch --seconds 15; fi

# Start a real Kafka on 127.0.0.1 until Ctrl-C; --port N, --data DIR to keep its topics
[group("try")]
kafka *ARGS: _kafka
    @echo "building for release first: about 5 minutes the first time on two cores" >&2
    @CLIENTELE_KAFKA={{ quote(kafka / "libs") }} cargo run --release --locked --quiet --package kafka -- "$@"

# Build the release binaries
[group("develop")]
build *ARGS:
    @echo "building for release: about 10 minutes the first time on two cores, seconds afterwards" >&2
    @cargo build --release --locked --workspace "$@"

# Run every test, with Python, a real Kafka and a real browser; ARGS go to cargo test
[group("develop")]
[script]
test *ARGS: (_venv test_python "tests/requirements.txt") _kafka web
    echo "building and running the tests: about 30 minutes the first time on two cores" >&2
    failed=0
    CLIENTELE_PYTHON={{ quote(test_python / "bin/python") }} CLIENTELE_KAFKA={{ quote(kafka / "libs") }} \
        cargo test --workspace --locked "$@" || failed=$?
    case " $* " in
    "  " | *" --no-fail-fast "*) CLIENTELE_BIN={{ quote(target / "debug") }} {{ quote(just_executable()) }} --justfile {{ quote(justfile()) }} _browser || failed=$? ;;
    esac
    exit "$failed"

# Build the dashboard into web/dist; the program `serving` that is built afterwards has it inside
[group("develop")]
web: _web_packages
    @cd web && npm run --silent build -- --logLevel warn

# Check the dashboard's code and test it in Chromium, against the programs in target/release
[group("develop")]
web-test: web _browser

# The dashboard's own tests, and those in Chromium against the programs in CLIENTELE_BIN.
_browser:
    @echo "testing the dashboard: about 10 minutes on two cores" >&2
    cd web && npm run --silent check && CLIENTELE_BIN="${CLIENTELE_BIN:-{{ target }}/release}" npm run --silent test

# Run the speed layer on a simulated Kafka, 10,000 schedules (or SIMULATE=n); SEED=n replays one and tells all of it
[group("develop")]
simulate *ARGS:
    @cargo test --locked --package speed --test simulation -- --nocapture --skip sabotage "$@"

# Format the code
[group("develop")]
fmt:
    cargo fmt --all

# Check formatting, and clippy without a warning
[group("develop")]
lint:
    @echo "checking formatting and lints: about 5 minutes the first time on two cores" >&2
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Build the API documentation without a warning
[group("develop")]
doc:
    @echo "building the documentation: about 5 minutes the first time on two cores" >&2
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Everything a change must pass: lint, dependencies, spelling, tests, documentation
[group("develop")]
check: lint _spelling _unused _dependencies test doc

# Measure LAYER (batch, kmeans, patterns, speed, serving, web), beside its peers where there are any; --quick for a single run of batch
[group("measure")]
bench LAYER *ARGS: (_venv bench_python "bench/requirements.txt") web
    @test -e "bench/$1.py" || { echo "bench: there is no bench/$1.py" >&2; exit 1; }
    @echo "building for release first: about 10 minutes the first time on two cores" >&2
    cargo build --release --locked --workspace
    @echo "measuring: about 15 minutes, with --quick one" >&2
    @layer=$1; shift; {{ quote(bench_python / "bin/python") }} "bench/$layer.py" "$@"

# Remove what was built and the demo's output; keep .tools
[group("develop")]
clean:
    cargo clean
    rm -rf segments.html

# Misspelt words in code and documents.
_spelling: (_tool "typos-cli" "typos" "1.52.0" "2")
    typos

# Dependencies that nothing uses.
_unused: (_tool "cargo-machete" "cargo-machete" "0.9.2" "2")
    cargo machete

# Licences, sources, doubled and vulnerable dependencies.
[script]
_dependencies: (_tool "cargo-deny" "cargo-deny" "0.20.2" "6")
    if cargo deny fetch db >/dev/null 2>&1; then
        cargo deny check
    else
        echo "check: the advisory database cannot be reached from here; vulnerabilities are not checked" >&2
        cargo deny check bans licenses sources
    fi

# Installs crate CRATE with program PROGRAM into the tools folder, unless that version is there.
[script]
_tool CRATE PROGRAM VERSION MINUTES:
    tools={{ quote(tools) }}
    # "cargo-deny 0.20.2", "typos-cli 1.52.0", and cargo-machete's bare "0.9.2"
    have=$("$tools/bin/$2" --version 2>/dev/null) || have=none
    [ "${have##* }" = "$3" ] && exit
    echo "installing $1 $3 into $tools (once; about $4 minutes)" >&2
    unset CARGO_TARGET_DIR
    cargo install "$1" --version "$3" --locked --quiet --root "$tools"

# Makes the Python environment DIR with the packages that REQUIREMENTS names, unless it is there.
[script]
_venv DIR REQUIREMENTS:
    # The mark is written last; an environment whose Python was removed or replaced is made anew.
    if [ -e "$1/complete" ] && "$1/bin/python" -c '' 2>/dev/null; then
        touch "$1" # so that what clears old environments away sees that this one is used
        exit
    fi
    echo "making the Python environment $1 from $2 (once; about 2 minutes)" >&2
    rm -rf "$1"
    "${PYTHON:-python3}" -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --requirement "$2"
    touch "$1/complete"

# Installs what web/package-lock.json names, unless it is there.
[script]
_web_packages:
    cd web
    lock=$(sha256sum package-lock.json | cut -c 1-12)
    # The mark is written last.
    [ "$(cat node_modules/.clientele 2>/dev/null)" = "$lock" ] && exit
    echo "installing the dashboard's packages (once; 110 MB)" >&2
    npm ci --silent --ignore-scripts --no-audit --no-fund >&2
    printf '%s' "$lock" >node_modules/.clientele

# Fetches Kafka into the tools folder, unless it is there.
[script]
_kafka:
    kafka={{ quote(kafka) }}
    # The mark is written last.
    if [ -e "$kafka/complete" ]; then
        touch "$kafka" # so that what clears old ones away sees that this one is used
        exit
    fi
    echo "fetching Kafka into $kafka (once; 54 MB)" >&2
    rm -rf "$kafka"
    mvn --quiet --batch-mode -Dstyle.color=never --file kafka/pom.xml dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$kafka/libs" >&2
    touch "$kafka/complete"
