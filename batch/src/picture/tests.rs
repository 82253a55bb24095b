mod contrast;
mod numbers;

use super::{Input, Median, Model, Page, PictureError, RfmSegment, Segment, render, rfm_names};

/// A publication of `k` segments, each ten times rarer and richer than the one before.
fn publication(k: u64) -> Page {
    let segments: Vec<Segment> = (0..k).map(segment).collect();
    let customers = segments.iter().map(|s| s.customers).sum();
    let revenue = segments.iter().map(|s| s.revenue).sum();
    Page {
        publication: "14".to_owned(),
        reference_time: "2011-12-10T00:00:00Z".to_owned(),
        published_at: "2026-03-12T08:15:42Z".to_owned(),
        input: Input {
            read: 1_234,
            accepted: 1_000,
            rejected: [("missing_customer".to_owned(), 234)].into(),
            already_known: 0,
        },
        customers,
        invoices: 2 * customers,
        revenue,
        median: Some(Median { recency_days: 50.0, frequency: 2.0, monetary: 10.0 }),
        model: Model { k, seed: 42, inertia: Some(4_092.418_9), silhouette: Some(0.6164), ..Model::default() },
        segments,
        rfm_segments: vec![RfmSegment { rfm_segment: "Champions".to_owned(), customers, revenue }],
        rfm_grid: [[0, 1, 2, 3, 1_234]; 5],
        rfm_names: rfm_names(),
        currency: "£".to_owned(),
    }
}

fn segment(id: u64) -> Segment {
    let monetary = 10_f64.powf(id as f64);
    let customers = 10 * (9 - id);
    Segment {
        segment_id: id,
        segment_name: format!("Segment {id}"),
        customers,
        revenue: monetary * customers as f64,
        recency_days: 200.0 / monetary,
        frequency: 1.0 + id as f64,
        monetary,
    }
}

fn drawn(page: &Page) -> String {
    render(page).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that must hold of any page.
fn assert_sound(html: &str) {
    for wrong in ["NaN", "inf%", "=\"inf", ">inf<", "<script", "javascript:", "@import", "url(", "src="] {
        assert!(!html.contains(wrong), "{wrong} in {html}");
    }
    for place in ["http://", "https://"] {
        assert!(!html.contains(place), "asks for {place}");
    }
    for length in
        attribute_values(html, " width=\"").chain(attribute_values(html, " x=\"")).filter_map(|v| v.strip_suffix('%'))
    {
        let length: f64 = length.parse().unwrap_or(f64::NAN);
        assert!((0.0..=100.0).contains(&length), "{length} % is off the chart");
    }
}

fn attribute_values<'a>(html: &'a str, opening: &'a str) -> impl Iterator<Item = &'a str> {
    html.split(opening).skip(1).filter_map(|rest| rest.split('"').next())
}

#[test]
fn every_k_is_drawn_with_each_segment_in_its_own_colour() {
    for k in 1..=8 {
        let html = drawn(&publication(k));
        assert_sound(&html);
        for id in 0..k {
            assert!(html.contains(&format!("Segment {id}")), "k = {k}");
            assert!(html.contains(&format!("swatch s{id}")), "k = {k}");
        }
        assert!(!html.contains(&format!("Segment {k}")));
    }
}

#[test]
fn segments_stand_by_monetary_in_every_chart() {
    let html = drawn(&publication(4));
    let order: Vec<&str> = html.split("title=\"Segment ").skip(1).filter_map(|rest| rest.get(..1)).collect();
    assert!(order.len() >= 16);
    assert!(order.chunks(4).all(|four| four == ["3", "2", "1", "0"]), "{order:?}");
}

#[test]
fn totals_are_those_of_the_input() {
    let mut page = publication(3);
    page.customers = 4_338;
    page.invoices = 18_532;
    page.revenue = 8_911_407.904;
    page.input = Input {
        read: 541_909,
        accepted: 397_884,
        rejected: [("missing_customer".to_owned(), 132_219), ("other".to_owned(), 11_806)].into(),
        already_known: 0,
    };
    let html = drawn(&page);
    for figure in
        ["4,338", "18,532", "£8.91\u{a0}M", "£8,911,407.90", "541,909", "397,884", "144,025", "10 Dec 2011", "4,092.42"]
    {
        assert!(html.contains(figure), "{figure} is missing");
    }
    assert!(html.contains("It adds up: 397,884 accepted + 144,025 rejected = 541,909 read."));
}

#[test]
fn a_report_that_does_not_add_up_says_so() {
    let mut page = publication(2);
    page.input.read += 1;
    assert!(drawn(&page).contains("It does not add up"));
    page.input.already_known = 1;
    assert!(drawn(&page).contains("1,000 accepted + 234 rejected + 1 already known = 1,235 read."));
}

/// A page with one text wherever a text can stand.
fn everywhere(text: &str) -> String {
    let mut page = publication(2);
    page.segments.iter_mut().for_each(|s| s.segment_name = text.to_owned());
    page.rfm_segments.iter_mut().for_each(|s| s.rfm_segment = text.to_owned());
    page.rfm_names.as_flattened_mut().fill(text.to_owned());
    page.input.rejected = [(text.to_owned(), 234)].into();
    page.currency = text.to_owned();
    page.publication = text.to_owned();
    page.published_at = text.to_owned();
    page.reference_time = text.to_owned();
    drawn(&page)
}

#[test]
fn names_cannot_break_out() {
    let html = everywhere("\"><script>alert('1')</script><img src=x onerror=alert(1)>&amp;");
    let harmless = everywhere("x");
    for mark in ['<', '>', '"'] {
        assert_eq!(html.matches(mark).count(), harmless.matches(mark).count(), "{mark}");
    }
    assert!(html.contains("&lt;script&gt;alert('1')&lt;/script&gt;"));
    assert!(html.contains("&amp;amp;"));
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn almost_nothing_is_drawn_too() {
    let mut page = publication(1);
    page.customers = 1;
    page.revenue = 0.0;
    page.segments.iter_mut().for_each(|s| (s.customers, s.revenue, s.monetary) = (1, 0.0, 0.0));
    page.model = Model { k: 1, silhouette: Some(f64::NAN), ..Model::default() };
    page.input = Input { read: 1, accepted: 1, ..Input::default() };
    page.rfm_grid = [[0, 0, 0, 0, 1], [0; 5], [0; 5], [0; 5], [0; 5]];
    let html = drawn(&page);
    assert_sound(&html);
    assert!(html.contains("not defined") && html.contains("0 rejected") && html.contains("1 customer in one segment"));

    (page.customers, page.median) = (0, None);
    page.segments.clear();
    page.rfm_segments.clear();
    page.rfm_grid = [[0; 5]; 5];
    page.input = Input::default();
    let html = drawn(&page);
    assert_sound(&html);
    assert!(html.contains("batch run --input") && html.contains("No lines were read in this run"));
}

#[test]
fn customers_who_took_back_more_than_they_bought_stay_on_the_page() {
    let mut page = publication(3);
    page.segments.iter_mut().take(1).for_each(|s| (s.monetary, s.revenue) = (-5.5, -550.0));
    let html = drawn(&page);
    assert_sound(&html);
    assert!(html.contains("\u{2212}£5.50"));
}

#[test]
fn sampled_figures_are_said_to_be() {
    let mut page = publication(4);
    (page.model.davies_bouldin, page.model.calinski_harabasz, page.model.sampled) =
        (Some(0.7), Some(3_149.4), Some(20_000));
    page.customers = 1_000_000;
    assert!(drawn(&page).contains("Quality figures are sampled: from 20,000 of 1,000,000 customers."));
}

#[test]
fn figures_that_are_not_numbers_are_refused_by_name() {
    let mut page = publication(2);
    page.segments.iter_mut().for_each(|s| s.frequency = f64::NAN);
    let Err(PictureError::NotFinite { figure }) = render(&page) else { panic!("drawn") };
    assert_eq!(figure, "the frequency of segment 0");
}

#[test]
fn rfm_segments_may_have_any_names_and_shapes() {
    let mut page = publication(4);
    page.rfm_names = std::array::from_fn(|r| std::array::from_fn(|f| format!("Cell {r}{f}")));
    assert_sound(&drawn(&page));
    page.rfm_names.as_flattened_mut().fill("All".to_owned());
    assert_eq!(drawn(&page).matches("class=\"label\"").count(), 1);
}

#[test]
fn the_document_that_batch_prints_is_a_page() {
    let printed = serde_json::to_string(&publication(4)).unwrap_or_default();
    let read: Result<Page, _> = serde_json::from_str(&printed);
    assert_eq!(read.map(|page| drawn(&page)).ok(), Some(drawn(&publication(4))));
}
