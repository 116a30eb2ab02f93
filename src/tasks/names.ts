/** What the tasks are called, for those who only name them: captions, and the list a page shows before there is a trainer. */

export const taskNames = {
  addition: 'Addition and subtraction',
  multiplication: 'Multiplication',
  comparing: 'Comparing',
  chain: 'Chains of terms',
  countdown: 'Countdown',
  reverse: 'Reversing',
  sort: 'Sorting',
  'word-problem': 'Word problems',
  'one-digit-sums': 'One-digit sums',
  'one-digit-differences': 'One-digit differences',
  'one-digit-products': 'One-digit products',
  'one-digit-stories': 'One-step stories',
} as const;

/** "addition and subtraction; multiplication": of what questions something was asked. */
export function taskWords(tasks: readonly { readonly id: string }[]): string {
  return tasks.map(({ id }) => (id in taskNames ? taskNames[id as keyof typeof taskNames] : id).toLowerCase()).join('; ');
}
