//! A small line plot.

use std::fmt::Write as _;

use leptos::prelude::*;

use super::units;

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 160.0;
/// Space for the numbers on the left.
const MARGIN: f64 = 44.0;

/// Plots values from left to right, with grid lines at zero and at the largest value. `label` is the accessible name.
#[component]
pub(crate) fn Plot(values: Signal<Vec<f64>>, #[prop(into)] label: Signal<String>) -> impl IntoView {
    let largest = Memo::new(move |_| values.read().iter().copied().fold(0.0, f64::max));
    let points = move || points(&values.read(), largest.get());
    let dots = move || points().into_iter().map(|(x, y)| view! { <circle cx=x cy=y r="3" /> }).collect_view();
    let line = move || {
        points().iter().fold(String::new(), |mut line, (x, y)| {
            // Writing to a string cannot fail.
            let _ = write!(line, "{x:.1},{y:.1} ");
            line
        })
    };
    view! {
        <svg class="plot" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=label>
            <path class="grid" d=format!("M{MARGIN} 10H{WIDTH}M{MARGIN} {}H{WIDTH}", HEIGHT - 10.0) />
            <text x="0" y="14">
                {move || units::rate(largest.get())}
            </text>
            <text x="0" y=HEIGHT - 6.0>
                "0"
            </text>
            <polyline points=line />
            {dots}
        </svg>
    }
}

/// The values' coordinates.
fn points(values: &[f64], largest: f64) -> Vec<(f64, f64)> {
    let step = (WIDTH - MARGIN - 10.0) / (values.len().saturating_sub(1).max(1)) as f64;
    let scale = (HEIGHT - 20.0) / largest.max(1e-9);
    values
        .iter()
        .enumerate()
        .map(|(index, value)| (MARGIN + 5.0 + step * index as f64, HEIGHT - 10.0 - value * scale))
        .collect()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn values_lie_between_the_lines() {
        let coordinates = points(&[0.0, 5.0, 10.0], 10.0);
        assert_eq!(coordinates, [(49.0, 150.0), (322.0, 80.0), (595.0, 10.0)]);
        assert!(points(&[], 0.0).is_empty());
        assert!(points(&[0.0], 0.0)[0].1.is_finite());
    }
}
