/** The forms in which a policy is written for other programs, and how its numbers can be stored in each: words only, what they mean is `policy-files.ts`. */
export const policyForms = ['hf', 'peft', 'gguf'] as const;
export type PolicyForm = (typeof policyForms)[number];

export const folderFormats = ['f32', 'bf16', 'f16'] as const;
export const ggufFormats = ['f16', 'q8_0'] as const;
export const formatsOf: Readonly<Record<PolicyForm, readonly string[]>> = { hf: folderFormats, peft: [], gguf: ggufFormats };
