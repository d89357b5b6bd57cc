//! Whitening: a matrix, fitted to the statistics of genuine pictures, that makes them uncorrelated with unit
//! variance. The length of a whitened vector is the Mahalanobis distance (Mahalanobis 1936).

/// Smallest weight of the identity in the correlation matrix. Whitening magnifies a rounding error by at most its
/// inverse root, tenfold. So engines that differ by about 1e-6 of a standard deviation stay far within the
/// tolerance of an export. On MNIST 0.003 and 0.01 differ by 0.0004 in mean AUROC.
const MIN_SHRINKAGE: f64 = 0.01;

/// Least standard deviation of a statistic, as a part of its mean (or of 0.1, if that is larger). A statistic that
/// hardly varies among genuine pictures then does not turn float32's rounding into distance.
const MIN_DEVIATION: f64 = 1e-2;

/// How the correlations of a sample are shrunk towards zero (Ledoit and Wolf 2004 give the reason).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shrinkage {
    /// As if this number times K uncorrelated rows had been added.
    Prior(f64),
    /// By the share that Ledoit and Wolf estimate from the rows ("A well-conditioned estimator for large-dimensional
    /// covariance matrices", Journal of Multivariate Analysis 88, 2004, lemma 3.3).
    LedoitWolf,
}

/// The whitening: `whitened = (statistics - mean) * matrix`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Whitening {
    /// [K]
    pub(crate) mean: Vec<f32>,
    /// [K, K], row-major.
    pub(crate) matrix: Vec<f32>,
}

impl Whitening {
    /// Fits to `rows`, `[N][K]`. Sums use double precision and the order of the rows.
    pub(crate) fn fit(rows: &[&[f32]], shrinkage: Shrinkage) -> Self {
        let (n, k) = (rows.len() as f64, rows[0].len());
        // The covariance is taken around the float32 mean, which is the one that the graph subtracts.
        let mean: Vec<f32> =
            (0..k).map(|j| (rows.iter().map(|row| f64::from(row[j])).sum::<f64>() / n) as f32).collect();
        let centre =
            |row: &[f32]| -> Vec<f64> { row.iter().zip(&mean).map(|(&x, &m)| f64::from(x) - f64::from(m)).collect() };
        let mut covariance = vec![vec![0.0; k]; k];
        for row in rows {
            let centred = centre(row);
            for (own, line) in centred.iter().zip(&mut covariance) {
                line.iter_mut().zip(&centred).for_each(|(sum, other)| *sum += own * other / (n - 1.0));
            }
        }
        let least = |j: usize| MIN_DEVIATION * f64::from(mean[j]).abs().max(0.1);
        let deviation: Vec<f64> = (0..k).map(|j| covariance[j][j].sqrt().max(least(j))).collect();
        let shrinkage = match shrinkage {
            Shrinkage::Prior(prior) => prior * k as f64 / (n + prior * k as f64),
            Shrinkage::LedoitWolf => {
                let scaled = rows.iter().map(|row| {
                    centre(row).iter().zip(&deviation).map(|(x, deviation)| (x / deviation).powi(2)).sum::<f64>()
                });
                let fourth: f64 = scaled.map(|square| square * square).sum();
                let correlations = || (0..k * k).map(|at| (at / k, at % k));
                let scale = |i: usize, j: usize| covariance[i][j] / (deviation[i] * deviation[j]);
                let squares: f64 = correlations().map(|(i, j)| scale(i, j).powi(2)).sum();
                let apart: f64 = correlations().map(|(i, j)| (scale(i, j) - f64::from(u8::from(i == j))).powi(2)).sum();
                (((fourth / n - squares) / n) / apart.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
            }
        };
        let shrinkage = shrinkage.max(MIN_SHRINKAGE);
        let correlation = |i: usize, j: usize| {
            if i == j { 1.0 } else { (1.0 - shrinkage) * covariance[i][j] / (deviation[i] * deviation[j]) }
        };
        let inverse = inverse_cholesky(k, correlation);
        let entry = |i: usize, j: usize| (inverse[i][j] / deviation[i]) as f32;
        let matrix = (0..k * k).map(|index| entry(index / k, index % k)).collect();
        Self { mean, matrix }
    }

    /// The root mean square of a whitened row: its Mahalanobis distance over the root of K.
    pub(crate) fn distance(&self, row: &[f32]) -> f32 {
        let k = row.len();
        let mut whitened = vec![0.0; k];
        for ((x, mean), line) in row.iter().zip(&self.mean).zip(self.matrix.chunks_exact(k)) {
            whitened.iter_mut().zip(line).for_each(|(sum, weight)| *sum += (x - mean) * weight);
        }
        (whitened.iter().map(|x| x * x).sum::<f32>() / k as f32).sqrt()
    }
}

/// The inverse of the lower Cholesky factor L of a positive definite matrix, transposed: L maps row `[c]` to the
/// unit vector c.
fn inverse_cholesky(k: usize, matrix: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    let mut l = vec![vec![0.0; k]; k];
    for i in 0..k {
        for j in 0..=i {
            let rest = matrix(i, j) - (0..j).map(|m| l[i][m] * l[j][m]).sum::<f64>();
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
        }
    }
    let solve = |c: usize| {
        let mut x = vec![0.0; k];
        for i in c..k {
            let unit = if i == c { 1.0 } else { 0.0 };
            x[i] = (unit - (c..i).map(|m| l[i][m] * x[m]).sum::<f64>()) / l[i][i];
        }
        x
    };
    (0..k).map(solve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of a whitened vector.
    fn distance(whitening: &Whitening, row: &[f32]) -> f32 {
        whitening.distance(row) * (row.len() as f32).sqrt()
    }

    fn fit(rows: &[Vec<f32>], shrinkage: Shrinkage) -> Whitening {
        Whitening::fit(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), shrinkage)
    }

    /// Expected numbers by numpy 2.4:
    ///
    /// ```python
    /// x = np.array([[1,2,0],[2,1,5],[3,5,1],[4,3,4],[5,6,2],[6,8,9],[7,7,3],[8,4,6]], float)
    /// n, k = x.shape
    /// mean = x.mean(0); s = np.cov(x.T); d = np.sqrt(np.diag(s))
    /// r = s / np.outer(d, d); shrink = k / (n + k); r = (1 - shrink) * r + shrink * np.eye(k)
    /// precision = np.linalg.inv(np.outer(d, d) * r)
    /// for y in ([1,2,0],[9,1,4],[4.5,4.5,3.75]):
    ///     t = np.array(y) - mean
    ///     print(np.sqrt(t @ precision @ t))
    /// ```
    #[test]
    fn distances_are_numpys() {
        let rows = [[1, 2, 0], [2, 1, 5], [3, 5, 1], [4, 3, 4], [5, 6, 2], [6, 8, 9], [7, 7, 3], [8, 4, 6]];
        let rows: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|&x| x as f32).collect()).collect();
        let whitening = fit(&rows, Shrinkage::Prior(1.0));
        let cases = [([1.0, 2.0, 0.0], 1.665_706_5), ([9.0, 1.0, 4.0], 3.273_301_7), ([4.5, 4.5, 3.75], 0.0)];
        for (row, wanted) in cases {
            let found = distance(&whitening, &row);
            assert!((found - wanted).abs() < 1e-5, "{found} is not {wanted}");
        }
    }

    /// The same script with the share of Ledoit and Wolf:
    ///
    /// ```python
    /// z = (x - mean) / d
    /// shrink = (((z ** 2).sum(1) ** 2).sum() / n - (r ** 2).sum()) / n / ((r - np.eye(k)) ** 2).sum()  # 0.39144
    /// ```
    #[test]
    fn the_share_of_ledoit_and_wolf_is_numpys() {
        let rows = [[1, 2, 0], [2, 1, 5], [3, 5, 1], [4, 3, 4], [5, 6, 2], [6, 8, 9], [7, 7, 3], [8, 4, 6]];
        let rows: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|&x| x as f32).collect()).collect();
        let whitening = fit(&rows, Shrinkage::LedoitWolf);
        for (row, wanted) in [([1.0, 2.0, 0.0], 1.722_582_2), ([9.0, 1.0, 4.0], 3.029_537_7)] {
            let found = distance(&whitening, &row);
            assert!((found - wanted).abs() < 1e-5, "{found} is not {wanted}");
        }
    }

    /// A statistic that never varies, and two that are equal, do not cause a division by zero.
    #[test]
    fn degenerate_statistics_stay_finite() {
        let rows: Vec<Vec<f32>> = (0..20).map(|i| vec![1.0, i as f32, i as f32, 0.0]).collect();
        let whitening = fit(&rows, Shrinkage::Prior(1.0));
        assert!(whitening.matrix.iter().all(|x| x.is_finite()));
        assert!(distance(&whitening, &[1.1, 10.0, 10.0, 0.0]) > 5.0);
        assert!(distance(&whitening, &[1.0, 10.0, 10.0, 0.0]) < 1.0);
    }
}
