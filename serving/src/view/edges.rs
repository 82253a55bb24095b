//! Where one score ends and the next begins, as a publication's customers show it.

/// The cut points of a publication; scores of live customers follow from them.
///
/// Recency and monetary are scored by value, so this gives the published scores back. Frequencies are ranked, and equal
/// ones may have different scores: a live customer gets the higher one only beyond all who have the lower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edges {
    /// For scores 2 to 5: most days.
    recency: [i64; 4],
    /// For scores 2 to 5: fewest invoices.
    frequency: [i64; 4],
    /// For scores 2 to 5: least money, in ten-thousandths.
    monetary: [i64; 4],
}

impl Default for Edges {
    fn default() -> Self {
        Self { recency: [i64::MIN; 4], frequency: [i64::MIN; 4], monetary: [i64::MAX; 4] }
    }
}

impl Edges {
    /// Takes in one customer of the publication.
    pub fn observe(&mut self, values: [i64; 3], scores: [u8; 3]) {
        let ([days, invoices, money], [recency, frequency, monetary]) = (values, scores);
        for (score, edge) in (2..=5).zip(&mut self.recency) {
            if recency >= score {
                *edge = (*edge).max(days);
            }
        }
        for (score, edge) in (2..=5).zip(&mut self.frequency) {
            if frequency < score {
                *edge = (*edge).max(invoices + 1);
            }
        }
        for (score, edge) in (2..=5).zip(&mut self.monetary) {
            if monetary >= score {
                *edge = (*edge).min(money);
            }
        }
    }

    #[must_use]
    pub fn recency(&self, days: i64) -> u8 {
        1 + self.recency.iter().map(|most| u8::from(days <= *most)).sum::<u8>()
    }

    #[must_use]
    pub fn frequency(&self, invoices: i64) -> u8 {
        1 + self.frequency.iter().map(|fewest| u8::from(invoices >= *fewest)).sum::<u8>()
    }

    #[must_use]
    pub fn monetary(&self, money: i64) -> u8 {
        1 + self.monetary.iter().map(|least| u8::from(money >= *least)).sum::<u8>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_published_scores_back() {
        let mut edges = Edges::default();
        let customers = [([1, 9, 900], [5, 5, 5]), ([5, 4, 500], [4, 4, 4]), ([9, 3, 300], [3, 3, 3])];
        let few = [([30, 1, 20], [2, 2, 2]), ([90, 1, 10], [1, 1, 1])];
        let all = customers.into_iter().chain(few);
        all.clone().for_each(|(values, scores)| edges.observe(values, scores));
        for ([days, invoices, money], [recency, frequency, monetary]) in all {
            assert_eq!((edges.recency(days), edges.monetary(money)), (recency, monetary));
            // The tie at one invoice is decided downwards.
            assert_eq!(edges.frequency(invoices), if invoices == 1 { 1 } else { frequency });
        }
        // Two are more than anybody with a lower score than 3 has.
        assert_eq!((edges.recency(2), edges.frequency(2), edges.monetary(1_000)), (4, 3, 5));
    }
}
