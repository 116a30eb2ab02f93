/** What the abstract of arXiv 2604.08986 says, PerMix over RLVR. Another model, other data, other measures. */
export const paperAddress = 'https://arxiv.org/abs/2604.08986';

export const paperFigures: Readonly<Record<string, { readonly ratio: number; readonly of: string }>> = {
  'permix-pss': { ratio: 1.212, of: 'Persona Stability Score on MATH500' },
  'permix-fidelity': { ratio: 1.114, of: 'persona fidelity on PersonaGym' },
};
