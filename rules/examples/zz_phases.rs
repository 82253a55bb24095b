use std::time::Instant;
use std::path::Path;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = Instant::now();
    let mut n = 0u64;
    for e in rules::events(Path::new(&a[2])).unwrap() { n += e.unwrap().text(1).len() as u64; }
    println!("parse {:?} {n}", t.elapsed());
    let t = Instant::now();
    let all: Vec<_> = rules::events(Path::new(&a[2])).unwrap().map(Result::unwrap).collect();
    println!("parse+keep {:?}", t.elapsed());
    let set = rules::RuleSet::load(Path::new(&a[1])).ok().unwrap();
    for _ in 0..4 {
    let t = Instant::now();
    let mut run = rules::DryRun::new(&set, 10_000).unwrap();
    let mut alerts = 0u64; let mut evs = 0u64; let mut big=0;
    for e in &all { run.push(e, &mut |a| { alerts += 1; evs += a.events().count() as u64; if a.events().count()>20 {big+=1;} }); }
    run.finish(&mut |_| alerts += 1);
    println!("match {:?} alerts {alerts} events in them {evs} big {big}", t.elapsed());
    }
}
