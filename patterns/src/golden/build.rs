//! From the schema to patterns, and Flink's words for those it refuses.

use std::sync::Arc;

use super::clicks::Click;
use super::conditions::{Scene, holds, looks_back};
use super::schema::{self, Condition, PatternSpec};
use crate::{ConditionId, Conditions, Contiguity, Draft, Inner, Malformed, Pattern, Skip, Stage, Taken, Times};

/// What a file's pattern becomes.
#[derive(Debug)]
pub struct Built {
    pub pattern: Pattern,
    pub conditions: Conditions<Arc<Click>>,
}

/// Builds a pattern.
///
/// # Errors
/// What Flink would refuse.
pub fn build(spec: &PatternSpec) -> Result<Built, Malformed> {
    let mut conditions = Conditions::default();
    // A second beginning makes a new pattern of it.
    let begin = spec.stages.iter().rposition(|stage| stage.contiguity == schema::Contiguity::Begin).unwrap_or(0);
    let written = spec.stages.get(begin..).unwrap_or_default();
    let pages: Arc<[String]> = written.iter().map(|stage| page(&stage.name).to_owned()).collect();
    let stages: Result<Vec<Stage>, _> = written.iter().map(|stage| convert(stage, &pages, &mut conditions)).collect();
    let mut stages = stages?;
    if let (Some(last), Some(_)) = (stages.last_mut(), spec.within_ms) {
        match spec.within_type.as_deref() {
            Some("previous_and_current") => last.within_previous = spec.within_ms,
            _ => last.within = spec.within_ms,
        }
    }
    let pattern = Draft { stages, skip: skip(spec.skip.as_ref()) }.check()?;
    Ok(Built { pattern, conditions })
}

fn page(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

fn convert(
    stage: &schema::Stage,
    pages: &Arc<[String]>,
    conditions: &mut Conditions<Arc<Click>>,
) -> Result<Stage, Malformed> {
    let quant = stage.quant.clone().unwrap_or_default();
    let times = match (quant.times, quant.from, quant.to, quant.at_least) {
        (Some(n), ..) => Times::Exactly(n),
        (None, Some(from), to, _) => Times::Between(from, to.unwrap_or(0)),
        (None, None, _, Some(n)) => Times::AtLeast(n),
        (None, None, _, None) => Times::Once,
    };
    Ok(Stage {
        condition: stage.condition.as_ref().map(|condition| add(condition, pages, conditions)).transpose()?,
        times,
        inner: match quant.inner {
            schema::Inner::Relaxed => Inner::Relaxed,
            schema::Inner::Consecutive => Inner::Consecutive,
            schema::Inner::Combinations => Inner::Combinations,
        },
        greedy: quant.greedy,
        optional: quant.optional,
        until: quant.until.as_ref().map(|until| add(until, pages, conditions)).transpose()?,
        within: stage.within_ms,
        ..Stage::new(&stage.name, contiguity(stage.contiguity))
    })
}

fn contiguity(written: schema::Contiguity) -> Contiguity {
    match written {
        schema::Contiguity::Begin | schema::Contiguity::Next => Contiguity::Next,
        schema::Contiguity::FollowedBy => Contiguity::FollowedBy,
        schema::Contiguity::FollowedByAny => Contiguity::FollowedByAny,
        schema::Contiguity::NotNext => Contiguity::NotNext,
        schema::Contiguity::NotFollowedBy => Contiguity::NotFollowedBy,
    }
}

fn skip(written: Option<&schema::Skip>) -> Skip {
    match written {
        None | Some(schema::Skip::No) => Skip::No,
        Some(schema::Skip::ToNext) => Skip::ToNext,
        Some(schema::Skip::PastLast) => Skip::PastLast,
        Some(schema::Skip::ToFirst(name)) => Skip::ToFirst(name.clone()),
        Some(schema::Skip::ToLast(name)) => Skip::ToLast(name.clone()),
    }
}

struct Behind<'t> {
    event: &'t Click,
    taken: Option<&'t Taken<'t, Arc<Click>>>,
    pages: &'t [String],
}

impl Scene for Behind<'_> {
    fn event(&self) -> Option<&Click> {
        Some(self.event)
    }

    fn earlier(&self, stage: &str, last: bool) -> Option<&Click> {
        let stage = self.pages.iter().position(|page| page == stage)?;
        let taken = self.taken?;
        if last { taken.last(stage) } else { taken.first(stage) }.map(AsRef::as_ref)
    }
}

fn add(
    condition: &Condition,
    pages: &Arc<[String]>,
    conditions: &mut Conditions<Arc<Click>>,
) -> Result<ConditionId, Malformed> {
    let (tree, pages) = (condition.clone(), Arc::clone(pages));
    if looks_back(condition) {
        conditions
            .taken(move |event: &Arc<Click>, taken| holds(&tree, &Behind { event, taken: Some(taken), pages: &pages }))
    } else {
        conditions.event(move |event: &Arc<Click>| holds(&tree, &Behind { event, taken: None, pages: &pages }))
    }
}

/// The exception and the message with which Flink refuses the pattern.
pub fn refusal(malformed: &Malformed) -> (&'static str, String) {
    const MALFORMED: &str = "org.apache.flink.cep.pattern.MalformedPatternException";
    const ARGUMENT: &str = "java.lang.IllegalArgumentException";
    let fixed = match malformed {
        Malformed::NotAfterOptional { .. } => {
            let message = "Specifying a pattern with an optional path to NOT condition is not supported yet. \
                           You can simulate such pattern with two independent patterns, one with and the other \
                           without the optional part.";
            return ("java.lang.UnsupportedOperationException", message.into());
        }
        Malformed::NoTimes { .. } => return (ARGUMENT, "You should give a positive number greater than 0.".into()),
        Malformed::NoFrom { .. } => {
            return (ARGUMENT, "The from should be a positive number greater than 0.".into());
        }
        Malformed::Reversed { from, .. } => {
            return (ARGUMENT, format!("The to should be a number greater than or equal to from: {from}."));
        }
        Malformed::SingleConsecutive { contiguity, .. } => {
            return (MALFORMED, format!("Consecutive not applicable to {}!", quantifier(*contiguity)));
        }
        Malformed::SingleCombinations { contiguity, .. } => {
            return (MALFORMED, format!("Combinations not applicable to {}!", quantifier(*contiguity)));
        }
        Malformed::DuplicateName { name } => {
            return (MALFORMED, format!("Duplicate pattern name: {name}. Names must be unique."));
        }
        Malformed::QuantifiedNot { .. } => "Option not applicable to NOT pattern",
        Malformed::OptionalNot { .. } => "NOT pattern cannot be optional",
        Malformed::SingleGreedy { .. } => "Option not applicable to singleton quantifier",
        Malformed::GreedyCombinations { .. } => "Option not applicable to FollowedByAny pattern",
        Malformed::OptionalTwice { .. } => "Optional already applied!",
        Malformed::OptionalAfterGreedy { .. } => "Optional pattern cannot be preceded by greedy pattern",
        Malformed::UntilWithoutLoop { .. } => "The until condition is only applicable to looping states.",
        Malformed::UnknownSkip { .. } => {
            "The pattern name specified in AfterMatchSkipStrategy can not be found in the given Pattern"
        }
        Malformed::PreviousWindowLonger => {
            "The window length between the previous and current event cannot be larger than the window length between \
             the first and last event for a Pattern."
        }
        Malformed::EndlessNot { .. } => {
            "NotFollowedBy is not supported without windowTime as a last part of a Pattern!"
        }
        Malformed::NoStart => return ("java.lang.NullPointerException", malformed.to_string()),
        Malformed::TooLarge { .. } | Malformed::TooManyConditions { .. } => return (ARGUMENT, malformed.to_string()),
    };
    (MALFORMED, fixed.into())
}

/// How Flink prints the quantifier of a stage that is taken once.
fn quantifier(contiguity: Contiguity) -> String {
    let strategy = match contiguity {
        Contiguity::Next => "STRICT",
        Contiguity::FollowedBy => "SKIP_TILL_NEXT",
        Contiguity::FollowedByAny => "SKIP_TILL_ANY",
        Contiguity::NotNext => "NOT_NEXT",
        Contiguity::NotFollowedBy => "NOT_FOLLOW",
    };
    format!("Quantifier{{properties=[SINGLE], consumingStrategy={strategy}, innerConsumingStrategy=SKIP_TILL_NEXT}}")
}
