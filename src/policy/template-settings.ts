/** What a policy's chat template is told beside the messages, and what stands where they have no system message. How it is rendered is `system-message.ts`. */

/** `template`: what the template itself puts there · `empty`: a system message without words · `absent`: no system message at all */
export const noSystemKinds = ['template', 'empty', 'absent'] as const;
export type NoSystem = (typeof noSystemKinds)[number];

/** Where a template knows no system role. `refuse`: nowhere · `user`: in the user's first message, a blank line before its words */
export const systemPlaces = ['refuse', 'user'] as const;
export type SystemPlace = (typeof systemPlaces)[number];

/** What a template is told beside the messages: a part of a run's configuration, because it decides the prompts. */
export interface TemplateSettings {
  /** By name, as JSON: `{ "enable_thinking": false }`. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** What `strftime_now` takes for today, YYYY-MM-DD: a run that goes on tomorrow asks what it asked today. */
  readonly date: string;
  /** What stands where there is no system message. */
  readonly noSystem: NoSystem;
  /** Where a system message goes that the template has no role for. */
  readonly systemPlace: SystemPlace;
}

/** The day is the one that Llama 3's template falls back to. */
export const defaultTemplateSettings: TemplateSettings = {
  arguments: {},
  date: '2024-07-26',
  noSystem: 'template',
  systemPlace: 'refuse',
};
