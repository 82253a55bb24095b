//! Against scikit-learn 1.9 and linfa 0.8.

use linfa::prelude::{Fit as _, ParamGuard as _};
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::Array2;

use super::super::quality::Spread;
use super::super::silhouette::silhouette;
use super::*;

/// `KMeans(k, n_init=100, tol=0, max_iter=1000)`, best of five seeds and both inits, on `X / X.std(axis=0)` of
/// [`customers`]; `silhouette_score`, `davies_bouldin_score`, `calinski_harabasz_score`; sizes in ascending order.
#[test]
fn equals_scikit_learn() -> Result<(), ModelError> {
    let expected: [(f64, f64, f64, f64, &[u64]); 5] = [
        (492.90228169211383, 0.6500208936911314, 1.277277119795351, 109.65511616567888, &[25, 215]),
        (288.2886893125881, 0.6813719759046334, 0.4860821134219289, 177.453338313209, &[11, 14, 215]),
        (128.28115676273586, 0.5214045244947927, 0.5443446824199253, 362.86349590241065, &[11, 14, 106, 109]),
        (98.13399754790092, 0.4266737160425957, 0.6620035873234535, 372.29327813969485, &[11, 14, 70, 72, 73]),
        (83.18347304164016, 0.42687994853892647, 0.5787997179583978, 358.28046572102585, &[1, 10, 14, 70, 72, 73]),
    ];
    for (i, (inertia, silhouette, davies_bouldin, calinski_harabasz, sizes)) in expected.into_iter().enumerate() {
        let fit = fit_columns(&customers(), k(i + 2), None)?;
        close(fit.quality.inertia, inertia);
        close(fit.quality.silhouette.unwrap_or_default(), silhouette);
        close(fit.quality.davies_bouldin.unwrap_or_default(), davies_bouldin);
        close(fit.quality.calinski_harabasz.unwrap_or_default(), calinski_harabasz);
        let mut counted: Vec<_> = fit.model.segments.iter().map(|s| s.customers).collect();
        counted.sort_unstable();
        assert_eq!(counted, sizes);
        for (scale, deviation) in fit.model.scale.iter().zip([29.168099964782677, 5.01392332244255, 1073.9817654330257])
        {
            close(*scale, deviation);
        }
    }
    Ok(())
}

/// Labels `i mod 3`, and customer 5 alone in a fourth cluster.
#[test]
fn figures_of_given_labels_equal_scikit_learn() -> Result<(), ModelError> {
    let points = scaled(&customers())?;
    let labels: Vec<_> = (0..240).map(|i| if i == 5 { 3 } else { i % 3 }).collect();
    for count in 1..=5 {
        close(silhouette(&points, &labels, 4, threads(count)).unwrap_or_default(), -0.23619247673040578);
    }
    let spread = Spread::of(&points, &labels, 4);
    close(spread.davies_bouldin().unwrap_or_default(), 45.181733769363554);
    close(spread.calinski_harabasz().unwrap_or_default(), 0.19053698051078957);
    Ok(())
}

/// `KMeans(4, init=X[:4], n_init=1, max_iter=5, tol=0)`.
#[test]
fn lloyd_equals_scikit_learn() -> Result<(), ModelError> {
    let points = scaled(&customers())?;
    let found = lloyd(&points, &first(&points, 4), five(Update::Mean));
    assert_eq!((found.iterations, found.converged), (5, false));
    close(found.inertia, 289.1922079467298);
    let centroids = [
        [1.739135315242351, 0.9428290827889686, 5.054174180417601],
        [1.678245054401844, 0.5326630535737865, 0.4519538967281549],
        [2.8520840753482153, 1.0477153755919284, 0.481951939591834],
        [0.5384609340993871, 0.9708259871138673, 0.4278334222298311],
    ];
    for (actual, expected) in found.centroids.iter().flatten().zip(centroids.iter().flatten()) {
        close(*actual, *expected);
    }
    Ok(())
}

/// linfa counts the old centroid as one more point of its cluster: [`Update::Damped`].
#[test]
fn lloyd_equals_linfa() -> Result<(), Box<dyn std::error::Error>> {
    let rows =
        (0..20_011_u32).map(|i| [i * 37 % 101, i * (i % 89) % 97, i * (i % 53) % 1009].map(|x| f64::from(x) / 30.0));
    let columns = transpose(rows);
    let points = Points::new(columns.clone());
    let start = first(&points, 4);
    let found = lloyd(&points, &start, five(Update::Damped));
    let records = Array2::from_shape_fn((points.len(), 3), |(i, d)| columns[d][i]);
    let init = KMeansInit::Precomputed(Array2::from_shape_fn((4, 3), |(c, d)| start[c][d]));
    let parameters = KMeans::params(4).n_runs(1).max_n_iterations(5).tolerance(1e-300).init_method(init);
    let linfa = parameters.check()?.fit(&linfa::DatasetBase::from(records))?;
    for (actual, expected) in found.centroids.iter().flatten().zip(linfa.centroids()) {
        close(*actual, *expected);
    }
    Ok(())
}

fn scaled([r, f, m]: &[Vec<f64>; 3]) -> Result<Points, ModelError> {
    let features = Features::new(r, f, m)?;
    Ok(Scaler::of(features).points(features))
}

fn first(points: &Points, k: usize) -> Vec<Centroid> {
    (0..k).map(|i| points.get(i)).collect()
}

fn five(update: Update) -> Iterations {
    Iterations { most: 5, update, threads: threads(2) }
}
