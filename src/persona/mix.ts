/**
 * Which persona a prompt is asked under during training: the "Mix" of PerMix. Weights, a share without persona, and
 * the rule that held-out personas are never drawn. How often each is right is not its business (`world.ts`).
 */
import { LabError, type Complaint } from '../errors.ts';
import type { Stream } from '../random/counter.ts';
import type { Persona, PersonaMix } from './persona.ts';

/** What is wrong with a mix; empty when nothing is. */
export function checkMix(mix: PersonaMix, personas: readonly Persona[]): Complaint[] {
  const complaints: Complaint[] = [];
  const wrong = (field: string, problem: string) => complaints.push({ field: `mix.${field}`, problem });
  if (!(mix.noneShare >= 0 && mix.noneShare <= 1)) {
    wrong('noneShare', `The share of prompts without a persona is ${mix.noneShare}; it must lie between 0 and 1.`);
  }
  if (mix.draw !== 'prompt' && mix.draw !== 'rollout') {
    wrong('draw', `A persona is drawn per "prompt" or per "rollout", not per "${String(mix.draw)}".`);
  }
  for (const [id, weight] of Object.entries(mix.weights)) {
    const persona = personas.find((candidate) => candidate.id === id);
    if (!persona) wrong('weights', `The mix names a persona "${id}" that does not exist.`);
    else if (persona.heldOut && weight !== 0) {
      wrong('weights', `The persona "${persona.name}" is held out for evaluation and cannot be trained on.`);
    }
    if (!(Number.isFinite(weight) && weight >= 0)) wrong('weights', `The weight of persona "${id}" is ${weight}; it must be 0 or more.`);
  }
  if (mix.noneShare < 1 && complaints.length === 0 && trainingWeights(mix, personas).every(({ weight }) => weight === 0)) {
    wrong('weights', 'The weights of the mix sum to zero: give a persona some weight, or set the share without persona to 1.');
  }
  return complaints;
}

/** The weight of each training persona, in the order of `personas`; uniform where the mix names none. */
export function trainingWeights(mix: PersonaMix, personas: readonly Persona[]): { persona: Persona; weight: number }[] {
  const uniform = Object.keys(mix.weights).length === 0;
  return personas
    .filter((persona) => !persona.heldOut)
    .map((persona) => ({ persona, weight: uniform ? 1 : (mix.weights[persona.id] ?? 0) }));
}

/**
 * The persona of one prompt, or of one rollout under the per-rollout draw; null is "no persona".
 * Takes two numbers from the stream whatever the outcome, so that two mixes with the same seed meet the same personas
 * wherever both draw one.
 * @throws LabError 'config' on a mix that `checkMix` complains about in a way that leaves nothing to draw
 */
export function drawPersona(mix: PersonaMix, personas: readonly Persona[], stream: Stream): Persona | null {
  const none = stream.uniform() < mix.noneShare;
  const candidates = trainingWeights(mix, personas).filter(({ weight }) => weight > 0);
  if (candidates.length === 0) {
    stream.uniform();
    if (mix.noneShare >= 1) return null;
    throw new LabError('config', 'The mix has no persona with a weight above zero.', 'Give a persona some weight.');
  }
  const { persona } = candidates[stream.weighted(candidates.map(({ weight }) => weight))]!;
  return none ? null : persona;
}

/**
 * The key by which rollouts are compared: (question, persona, occurrence) where a group shares its persona,
 * (question, occurrence) where each rollout has its own. Never the prompt text: two personas may render alike.
 * @param personaId null: no persona; undefined: the persona is drawn per rollout and does not tell groups apart
 * @param occurrence how often the same pair was dealt before in the same step, from 0
 */
export function groupKey(questionId: string, personaId: string | null | undefined, occurrence: number): string {
  return personaId === undefined ? `${questionId}|${occurrence}` : `${questionId}|${personaId ?? 'none'}|${occurrence}`;
}
