//! What a fit answers in ordinary and in odd cases.

use super::super::identity::segment_ids;
use super::super::names::segment_names;
use super::*;

#[test]
fn names_and_ids_follow_from_centroids() -> Result<(), ModelError> {
    let groups = [[10.0, 50.0, 9000.0], [300.0, 2.0, 50.0], [20.0, 20.0, 900.0], [5.0, 1.0, 40.0]];
    let near = groups.iter().flat_map(|g| (0..30).map(move |i| g.map(|x| x + f64::from(i % 7) * 0.01 * x)));
    let fit = fit_columns(&transpose(near), k(4), None)?;
    assert_sound(&fit, 120);
    let named: Vec<_> = fit.model.segments.iter().map(|s| (s.id, s.name.as_str(), s.customers)).collect();
    assert_eq!(
        named,
        [(0, "High Value VIP", 30), (1, "Loyal / Frequent", 30), (2, "Churn Risk", 30), (3, "New / Promising", 30)]
    );
    assert_eq!(fit.labels[..30], [0; 30]);
    Ok(())
}

#[test]
fn names_of_every_k_are_unique_and_bare_of_numbers() {
    let average = [1.0, 1.0, 1.0];
    for k in 1..=MAX_K {
        let centroids: Vec<Centroid> = (0..k).map(|i| [i % 5, i % 3, i % 7].map(points::as_f64)).collect();
        let names = segment_names(&centroids, &average);
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), k, "{names:?}");
        assert!(names.iter().all(|name| !name.is_empty()));
    }
    assert_eq!(segment_names(&[[1.0, 2.0, 3.0]], &average), ["All Customers"]);
    let two = segment_names(&[[1.0, 2.0, 3.0], [5.0, 1.0, 1.0]], &average);
    assert_eq!(two, ["High Value VIP", "Churn Risk"]);
    let recent = segment_names(&[[1.1, 2.0, 3.0], [0.9, 0.8, 0.5]], &average);
    assert_eq!(recent, ["High Value VIP", "New / Promising"], "who bought lately is no churn risk");
    let everybody_else = segment_names(&[[0.1, 17.0, 46.0], [1.01, 0.91, 0.8]], &average);
    assert_eq!(everybody_else, ["High Value VIP", "Occasional"]);
    let six = [[0.1, 9.0, 9.0], [2.9, 0.2, 0.1], [0.2, 5.0, 2.0], [0.1, 0.4, 0.2], [0.9, 0.8, 0.3], [1.8, 0.3, 0.2]];
    let names = segment_names(&six, &average);
    let expected = ["High Value VIP", "Churn Risk", "Loyal / Frequent", "New / Promising", "Occasional", "Dormant"];
    assert_eq!(names, expected);
}

#[test]
fn ids_go_on_from_the_previous_publication() -> Result<(), ModelError> {
    let first = fit_columns(&customers(), k(4), None)?;
    let mut doubled = customers();
    doubled[2].iter_mut().for_each(|m| *m *= 1.1);
    let second = fit_columns(&doubled, FitOptions { seed: 7, ..k(4) }, Some(&first.model))?;
    assert_eq!(first.labels, second.labels);
    let more = fit_columns(&doubled, k(6), Some(&second.model))?;
    assert_eq!(more.model.segments.iter().map(|s| s.id).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let fewer = fit_columns(&doubled, k(2), Some(&more.model))?;
    assert!(fewer.model.segments.iter().all(|s| s.id < 6));
    assert_sound(&fewer, 240);
    Ok(())
}

#[test]
fn new_segments_take_the_lowest_unused_ids() {
    let previous = [(1, [0.0, 0.0, 0.0]), (4, [9.0, 0.0, 0.0])];
    let centroids = [[9.1, 0.0, 0.0], [4.0, 4.0, 5.0], [0.1, 0.0, 0.0], [4.0, 4.0, 9.0]];
    assert_eq!(segment_ids(&centroids, &previous), [4, 2, 1, 0]);
}

#[test]
fn no_customers_is_an_error_of_its_own() {
    assert_eq!(fit_columns(&[vec![], vec![], vec![]], k(4), None).err(), Some(ModelError::NoCustomers));
}

#[test]
fn one_customer_is_one_segment() -> Result<(), ModelError> {
    let fit = fit_columns(&[vec![3.0], vec![1.0], vec![1e15]], k(4), None)?;
    assert_sound(&fit, 1);
    assert_eq!((fit.model.k, fit.model.segments[0].name.as_str()), (1, "All Customers"));
    assert_eq!(fit.model.segments[0].centroid, [3.0, 1.0, 1e15]);
    assert_eq!((fit.quality.inertia, fit.quality.silhouette, fit.quality.davies_bouldin), (0.0, None, None));
    assert!(fit.notes.contains(&Note::FewerDistinctCustomers { asked: 4, distinct: 1 }));
    assert_eq!(fit.notes.len(), 4);
    Ok(())
}

#[test]
fn equal_customers_are_one_segment() -> Result<(), ModelError> {
    for options in [k(4), FitOptions { k: Clusters::AUTO, ..k(4) }] {
        let fit = fit_columns(&[vec![0.1; 1000], vec![7.0; 1000], vec![1e17 / 3.0; 1000]], options, None)?;
        assert_sound(&fit, 1000);
        assert_eq!((fit.model.k, fit.quality.inertia), (1, 0.0));
        assert_eq!(fit.quality.calinski_harabasz, None);
    }
    Ok(())
}

#[test]
fn k_is_lowered_to_the_distinct_customers() -> Result<(), ModelError> {
    let rows = (0..90_u32).map(|i| [i % 3, 1, i % 3 * 10].map(f64::from));
    let fit = fit_columns(&transpose(rows), k(8), None)?;
    assert_sound(&fit, 90);
    assert_eq!((fit.model.k, fit.quality.inertia, fit.quality.silhouette), (3, 0.0, Some(1.0)));
    assert_eq!((fit.quality.davies_bouldin, fit.quality.calinski_harabasz), (Some(0.0), None));
    let notes: Vec<_> = fit.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "frequency is the same for all customers and tells no segments apart (scale 1)",
            "k lowered from 8 to 3: there are no more distinct customers",
        ]
    );
    Ok(())
}

#[test]
fn few_and_extreme_customers_have_no_undefined_numbers() -> Result<(), ModelError> {
    for n in 1..12_u32 {
        for k_asked in 1..6 {
            let rows = (0..n).map(|i| [f64::from(i % 4), f64::from(i / 3), if i == 1 { 1e99 } else { f64::from(i) }]);
            assert_sound(&fit_columns(&transpose(rows), k(k_asked), None)?, n as usize);
        }
    }
    let tiny = (0..20_u32).map(|i| [1e-300 * f64::from(i), 1.0, 1e15 + f64::from(i)]);
    assert_sound(&fit_columns(&transpose(tiny), k(3), None)?, 20);
    Ok(())
}

#[test]
fn auto_takes_the_best_silhouette() -> Result<(), ModelError> {
    let fit = fit_columns(&customers(), FitOptions { k: Clusters::AUTO, ..k(4) }, None)?;
    assert_sound(&fit, 240);
    assert_eq!(fit.model.k, 3);
    assert_eq!(fit.elbow.iter().map(|e| e.k).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8]);
    assert!(fit.elbow.is_sorted_by(|a, b| a.inertia > b.inertia));
    assert_eq!(fit.quality.silhouette, fit.elbow[1].silhouette);
    Ok(())
}

#[test]
fn many_customers_are_sampled_and_said_so() -> Result<(), ModelError> {
    let rows = (0..70_001_u32).map(|i| {
        let x = f64::from(i);
        let group = f64::from(i % 4);
        [group * 50.0 + x.sin(), (3.0 - group) * 5.0 + (x * 0.7).cos(), group * group * 300.0 + (x * 1.3).sin() * 9.0]
    });
    let columns = transpose(rows);
    let fit = fit_columns(&columns, k(4), None)?;
    assert_sound(&fit, 70_001);
    assert_eq!(fit.quality.silhouette_sample, Some(SILHOUETTE_SAMPLE));
    assert!(fit.notes.contains(&Note::SampledSilhouette { customers: SILHOUETTE_SAMPLE }));
    assert!(fit.quality.silhouette > Some(0.7));
    let alone = fit_columns(&columns, FitOptions { threads: threads(1), ..k(4) }, None)?;
    assert_eq!((alone.model, alone.labels, alone.quality), (fit.model, fit.labels, fit.quality));
    Ok(())
}

#[test]
fn options_and_features_are_checked() {
    let message = |options: FitOptions| options.check().err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(message(k(0)), "k = 0 is not possible: choose 1 to 32 segments");
    assert_eq!(message(k(33)), "k = 33 is not possible: choose 1 to 32 segments");
    assert!(message(FitOptions { k: Clusters::Auto { least: 1, most: 4 }, ..k(1) }).starts_with("k from 1 to 4"));
    assert!(message(FitOptions { k: Clusters::Auto { least: 5, most: 4 }, ..k(1) }).starts_with("k from 5 to 4"));
    let features = |m: &[f64]| Features::new(&[1.0, 2.0], &[1.0, 2.0], m).map(|_| ()).err().map(|e| e.to_string());
    let expected = "monetary of customer 1 (counted from 0) is NaN: it must be finite and below 1e100";
    assert_eq!(features(&[1.0, f64::NAN]).as_deref(), Some(expected));
    assert!(features(&[1.0]).is_some_and(|message| message.contains("1 monetary")));
}

#[test]
fn a_model_survives_json_and_assigns_as_the_fit_did() -> Result<(), Box<dyn std::error::Error>> {
    let columns = customers();
    let fit = fit_columns(&columns, k(4), None)?;
    let model: Model = serde_json::from_str(&serde_json::to_string(&fit.model)?)?;
    assert_eq!(model, fit.model);
    let [r, f, m] = &columns;
    let customers = r.iter().zip(f).zip(m).map(|((r, f), m)| [*r, *f, *m]);
    for (customer, (label, distance)) in customers.zip(fit.labels.iter().zip(&fit.distances)) {
        let (segment, to_centroid) = model.nearest(customer).ok_or("no segments")?;
        assert_eq!((segment.id, to_centroid), (model.segments[*label as usize].id, *distance));
    }
    Ok(())
}
