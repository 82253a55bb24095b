//! What Flink refuses while a pattern is put together, in the order in which it notices.

use crate::{Contiguity, Draft, Inner, Malformed, Skip, Stage, Times, compile};

pub fn check(draft: &Draft) -> Result<(), Malformed> {
    let mut previous: Option<&Stage> = None;
    for stage in &draft.stages {
        if previous.is_none() && stage.contiguity != Contiguity::Next {
            return Err(Malformed::NoStart);
        }
        put_together(stage, previous)?;
        previous = Some(stage);
    }
    if previous.is_none() {
        return Err(Malformed::NoStart);
    }
    names(draft)?;
    compile::graph(&draft.stages).map(drop)
}

/// Whether the quantifier makes the stage optional.
pub fn is_optional(stage: &Stage) -> bool {
    stage.optional || matches!(stage.times, Times::Between(0, _))
}

fn put_together(stage: &Stage, previous: Option<&Stage>) -> Result<(), Malformed> {
    let name = || stage.name.clone();
    let not = stage.contiguity.is_not();
    if not && previous.is_some_and(is_optional) {
        return Err(Malformed::NotAfterOptional { stage: name() });
    }
    times(stage)?;
    let (single, contiguity) = (stage.times == Times::Once, stage.contiguity);
    match stage.inner {
        Inner::Consecutive if single => return Err(Malformed::SingleConsecutive { stage: name(), contiguity }),
        Inner::Combinations if single => return Err(Malformed::SingleCombinations { stage: name(), contiguity }),
        _ => {}
    }
    if stage.greedy {
        greedy(stage)?;
    }
    if stage.optional {
        optional(stage, previous)?;
    }
    if stage.until.is_some() && !matches!(stage.times, Times::AtLeast(_)) {
        return Err(Malformed::UntilWithoutLoop { stage: name() });
    }
    Ok(())
}

fn times(stage: &Stage) -> Result<(), Malformed> {
    let name = || stage.name.clone();
    if stage.times != Times::Once && stage.contiguity.is_not() {
        return Err(Malformed::QuantifiedNot { stage: name() });
    }
    let (from, to) = match stage.times {
        Times::Once => return Ok(()),
        Times::Exactly(n) if n <= 0 => return Err(Malformed::NoTimes { stage: name() }),
        Times::Exactly(n) | Times::AtLeast(n) => (n, n),
        Times::Between(from, to) => (if from == 0 { 1 } else { from }, to),
    };
    if from <= 0 {
        return Err(Malformed::NoFrom { stage: name() });
    }
    if to < from {
        return Err(Malformed::Reversed { stage: name(), from });
    }
    Ok(())
}

fn greedy(stage: &Stage) -> Result<(), Malformed> {
    let name = stage.name.clone();
    if stage.contiguity.is_not() {
        return Err(Malformed::QuantifiedNot { stage: name });
    }
    if stage.inner == Inner::Combinations {
        return Err(Malformed::GreedyCombinations { stage: name });
    }
    if stage.times == Times::Once {
        return Err(Malformed::SingleGreedy { stage: name });
    }
    Ok(())
}

fn optional(stage: &Stage, previous: Option<&Stage>) -> Result<(), Malformed> {
    let name = stage.name.clone();
    if previous.is_some_and(|previous| previous.greedy) {
        return Err(Malformed::OptionalAfterGreedy { stage: name });
    }
    if matches!(stage.times, Times::Between(0, _)) {
        return Err(Malformed::OptionalTwice { stage: name });
    }
    if stage.contiguity.is_not() {
        return Err(Malformed::OptionalNot { stage: name });
    }
    Ok(())
}

/// Flink looks at the names from the last stage to the first.
fn names(draft: &Draft) -> Result<(), Malformed> {
    let mut used = vec![compile::END_NAME];
    for stage in draft.stages.iter().rev() {
        if used.contains(&stage.name.as_str()) {
            return Err(Malformed::DuplicateName { name: stage.name.clone() });
        }
        used.push(&stage.name);
    }
    match &draft.skip {
        Skip::ToFirst(name) | Skip::ToLast(name) if draft.stages.iter().all(|stage| stage.name != *name) => {
            Err(Malformed::UnknownSkip { name: name.clone() })
        }
        _ => Ok(()),
    }
}
