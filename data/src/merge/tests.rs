use proptest::prelude::*;

use super::*;

fn line(cell: i64, offset: i64, invoice: u64, amount: i64, at: i64) -> Contribution {
    Contribution {
        partition: 0,
        cell,
        through: offset,
        invoice: InvoiceHash(invoice),
        amount: Money::from_raw(amount),
        purchased: (amount > 0).then_some(Span::at(EventTime::from_micros(at))),
    }
}

#[test]
fn l_4_an_invoice_of_the_base_is_not_counted_again() {
    let invoices = InvoiceSet::new(vec![7]);
    let span = Span { first: EventTime::from_micros(10), last: EventTime::from_micros(20) };
    let totals = Totals { frequency: 1, monetary: Money::from_raw(100), span: Some(span) };
    let base = BaseOf { totals, covered: &[5], invoices: &invoices };
    let suffix = [line(0, 4, 9, 1, 99), line(5, 6, 7, 50, 15), line(5, 7, 8, 30, 30), line(8, 9, 8, 20, 5)];
    let merged = merge(&base, &suffix);
    assert_eq!(merged.frequency, 2, "7 is the base's, 8 is new, 9 is covered");
    assert_eq!(merged.monetary, Money::from_raw(200));
    assert_eq!(merged.span, Some(Span { first: EventTime::from_micros(5), last: EventTime::from_micros(30) }));
}

#[test]
fn a_netted_cancellation_lowers_money_only() {
    let base = BaseOf { totals: Totals::default(), covered: &[], invoices: &InvoiceSet::default() };
    let merged = merge(&base, &[line(0, 0, 1, -40, 9), line(0, 1, 2, 100, 3)]);
    assert_eq!(merged.frequency, 1);
    assert_eq!(merged.monetary, Money::from_raw(60));
    assert_eq!(merged.span, Some(Span::at(EventTime::from_micros(3))));
    assert_eq!(merge(&base, &[line(0, 0, 1, -40, 9)]).features(EventTime::at_day(1)), None);
}

proptest! {
    #[test]
    fn the_table_of_invoices_finds_what_it_holds(
        hashes in prop::collection::vec(prop_oneof![any::<u64>(), 0..40_u64, (u64::MAX - 40)..=u64::MAX], 0..300),
        others in prop::collection::vec(any::<u64>(), 0..50),
    ) {
        let set = InvoiceSet::new(hashes.clone());
        for wanted in hashes.iter().chain(&others).copied().chain([0, u64::MAX]) {
            prop_assert_eq!(set.contains(InvoiceHash(wanted)), hashes.contains(&wanted));
        }
    }

    #[test]
    fn l_2_wherever_a_publication_cuts_the_sum_is_the_same(
        lines in prop::collection::vec((0..6_u64, -50..100_i64, 0..1000_i64), 1..40),
        cell in 1..9_i64,
        cut in 0..40_i64,
    ) {
        let all: Vec<Contribution> = (0..)
            .zip(&lines)
            .map(|(offset, (invoice, amount, at))| {
                // An invoice is one of purchases or one of cancellations.
                let amount = if invoice % 3 == 0 { -amount.abs() } else { amount.abs() + 1 };
                line(offset / cell * cell, offset, *invoice, amount, *at)
            })
            .collect();
        let none = InvoiceSet::default();
        let nothing = BaseOf { totals: Totals::default(), covered: &[], invoices: &none };
        let whole = merge(&nothing, &all);
        let cut = cut / cell * cell;
        let covered: Vec<Contribution> = all.iter().filter(|line| line.through < cut).copied().collect();
        let hashes = covered.iter().filter(|line| line.purchased.is_some()).map(|line| line.invoice.0);
        let invoices = InvoiceSet::new(hashes.collect());
        let base = BaseOf { totals: merge(&nothing, &covered), covered: &[cut], invoices: &invoices };
        prop_assert_eq!(merge(&base, &all), whole);
    }
}
