/** Figures of a spectrum: how many directions a teacher uses. */
import { symmetricEigenvalues } from '../../core/linear-algebra/symmetric-eigen.ts';

/**
 * RankMe (Garrido et al., arXiv 2210.02885): exp of the entropy of the singular values of the tokens, not centred, each as a share
 * of their sum. Between 1 (all tokens parallel) and C. Takes the mean [C] and the population covariance [C, C].
 */
export function rankMe(mean: Float64Array, covariance: Float64Array): number {
  const channels = mean.length;
  const second = covariance.map((value, i) => value + mean[Math.floor(i / channels)]! * mean[i % channels]!);
  const singular = symmetricEigenvalues(second, channels).map((value) => Math.sqrt(Math.max(0, value)));
  const sum = singular.reduce((total, value) => total + value, 0);
  if (sum === 0) return 1;
  let entropy = 0;
  for (const value of singular) if (value > 0) entropy -= (value / sum) * Math.log(value / sum);
  return Math.exp(entropy);
}
