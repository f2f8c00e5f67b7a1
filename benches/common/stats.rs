//! Medians, the ratio between two of them, and their noise.

use std::time::Duration;

/// Measurements in microseconds, in their order.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1e6);
    }

    pub(crate) fn median(&self) -> f64 {
        quantile(&self.0, 500)
    }
}

fn quantile(samples: &[f64], per_mille: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = sorted.len().saturating_sub(1) * per_mille / 1_000;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// A heading for the rows that follow.
pub(crate) fn heading(title: &str) {
    println!("\n{title}\n  {:<44} {:>6} {:>10} {:>10} {:>10} {:>10}   µs", "", "n", "median", "p99", "min", "max");
}

/// Prints one side of a comparison.
pub(crate) fn row(name: &str, samples: &Samples) {
    let Samples(all) = samples;
    println!(
        "  {name:<44} {:>6} {:>10.1} {:>10.1} {:>10.1} {:>10.1}",
        all.len(),
        samples.median(),
        quantile(all, 990),
        quantile(all, 0),
        quantile(all, 1_000),
    );
}

/// Prints the ratio of two medians. The noise is the range of this ratio over the fifths of the run: two runs would differ as much as the
/// fifths do.
pub(crate) fn ratio(ours: &Samples, bare: &Samples, target: &str) {
    let fifth = |samples: &Samples| samples.0.len().div_ceil(5).max(1);
    let fifths = ours.0.chunks(fifth(ours)).zip(bare.0.chunks(fifth(bare))).map(|(ours, bare)| quantile(ours, 500) / quantile(bare, 500));
    let (least, most) = fifths.fold((f64::INFINITY, 0.0_f64), |(least, most), ratio| (least.min(ratio), most.max(ratio)));
    println!("  ratio of the medians {:.2} (fifths of the run: {least:.2} to {most:.2}); target {target}", ours.median() / bare.median());
}
