//! References of the kernels for hidden states of several vectors. For one token: `hidden` is the first vector, `[len]`,
//! `others` are the rest, `[count - 1][len]`, and `routes` the router's outputs, `[count]`.

/// The length of a vector.
fn length(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

/// Scales the others to the length of the first.
pub fn expand(hidden: &[f32], others: &mut [f32]) {
    for other in others.chunks_exact_mut(hidden.len()) {
        let scale = length(hidden) / length(other);
        for x in other.iter_mut() {
            *x = (f64::from(*x) * scale) as f32;
        }
    }
}

/// Adds to each vector the sum of all, weighted by the products of `coefficients`, `[count][count][count]`, and `routes`.
pub fn predict(hidden: &mut [f32], others: &mut [f32], routes: &[f32], coefficients: &[f32]) {
    let (len, count) = (hidden.len(), routes.len());
    let before = [&*hidden, &*others].concat();
    let share = |own: usize, k: usize| -> f64 {
        let row = &coefficients[(own * count + k) * count..][..count];
        row.iter().zip(routes).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    for own in 0..count {
        for i in 0..len {
            let sum: f64 = (0..count).map(|k| share(own, k) * f64::from(before[k * len + i])).sum();
            let predicted = (f64::from(before[own * len + i]) + sum) as f32;
            if own == 0 {
                hidden[i] = predicted;
            } else {
                others[(own - 1) * len + i] = predicted;
            }
        }
    }
}

/// Adds to each prediction the difference of the first vector to its `prediction`, times one plus the product of
/// `coefficients`, `[count][count]`, and `routes`.
pub fn correct(hidden: &mut [f32], others: &mut [f32], prediction: &[f32], routes: &[f32], coefficients: &[f32]) {
    let (len, count) = (hidden.len(), routes.len());
    let change: Vec<f64> = hidden
        .iter()
        .zip(prediction)
        .map(|(computed, predicted)| f64::from(*computed) - f64::from(*predicted))
        .collect();
    for (own, row) in coefficients.chunks_exact(count).enumerate() {
        let weight = 1.0 + row.iter().zip(routes).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        for i in 0..len {
            if own == 0 {
                hidden[i] = (f64::from(prediction[i]) + weight * change[i]) as f32;
            } else {
                let other = &mut others[(own - 1) * len + i];
                *other = (f64::from(*other) + weight * change[i]) as f32;
            }
        }
    }
}

/// The mean of the first vector and of the others, scaled to its length.
pub fn merge(hidden: &mut [f32], others: &[f32]) {
    let own = length(hidden);
    let mut sums: Vec<f64> = hidden.iter().map(|x| f64::from(*x)).collect();
    for other in others.chunks_exact(hidden.len()) {
        let scale = own / length(other);
        sums.iter_mut().zip(other).for_each(|(sum, x)| *sum += scale * f64::from(*x));
    }
    let count = 1 + others.len() / hidden.len();
    hidden.iter_mut().zip(sums).for_each(|(x, sum)| *x = (sum / count as f64) as f32);
}
