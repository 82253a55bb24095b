//! The description of the API is a file that a change must change too.

use std::path::Path;

#[test]
fn the_api_is_as_described() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = serving::api::document().to_pretty_json().expect("JSON") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).expect("written");
    }
    let kept = std::fs::read_to_string(&path).expect("the description");
    assert!(kept == now, "serving/openapi.json is another API's: run this test with UPDATE=1 and look at the change");
}
