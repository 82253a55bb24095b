//! Evaluations of conditions a second on one core.

use std::time::Instant;

use rules::{Event, EventTime, Scene, Scope, Topic, compile};

const CONDITIONS: [&str; 6] = [
    r#"event.type == "view""#,
    r#"event.type == "cart" && event.price > 200.0"#,
    r#"event.type in ["view", "cart"] && event.category_code.startsWith("electronics")"#,
    r#"event.price * 0.9 < 100.0 || event.brand == "apple""#,
    r#"event.brand.contains("sam") && !event.page_url.endsWith("/sale")"#,
    r#"event.event_time.getHours() >= 22 && event.price > 10.0"#,
];

/// Prints millions a second: of each on stderr, of all on stdout.
pub fn measure() -> Result<(), crate::Failure> {
    let scope = Scope { event: Some(Topic::Clickstream), ..Scope::default() };
    let kinds = ["view", "view", "cart", "view", "purchase"];
    let events: Vec<Event> = (0..1000_u32)
        .map(|number| {
            let kind = kinds.get(number as usize % kinds.len()).copied().unwrap_or_default();
            let texts = ["e1", kind, "u1", "s1", "p1", "a telephone", "electronics.smartphone", "samsung", "/p/1"];
            Event::new(EventTime(i64::from(number) * 60_000), Some(f64::from(number)), &texts, 0)
        })
        .collect();
    let (mut all, mut spent_on_all) = (0_u64, 0.0);
    for text in CONDITIONS {
        let condition = compile(text, &scope)?;
        let started = Instant::now();
        let mut held = 0_u64;
        const ROUNDS: u64 = 5000;
        for _ in 0..ROUNDS {
            held += events.iter().filter(|event| condition.holds(&Scene::event(std::hint::black_box(event)))).count()
                as u64;
        }
        let spent = started.elapsed().as_secs_f64();
        let evaluated = ROUNDS * events.len() as u64;
        (all, spent_on_all) = (all + evaluated, spent_on_all + spent);
        eprintln!("{:7.1} M/s  {text}  ({held} of {evaluated} held)", evaluated as f64 / spent / 1e6);
    }
    println!("{:.1}", all as f64 / spent_on_all / 1e6);
    Ok(())
}
