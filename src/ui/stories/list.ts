/** The six stories by name, in the order they are told. What each says is `stories.ts`, which is loaded when one is opened. */
export const storyList = [
  { id: 'lottery', title: 'The lottery', teaser: 'How much luck is in a persona?' },
  { id: 'reward', title: 'Why reward makes it robust', teaser: 'What happens to a voice that training never met?' },
  { id: 'forgets', title: 'Does RLVR forget the voice?', teaser: 'What a reward for right answers leaves of it.' },
  { id: 'mixing', title: 'Mixing', teaser: 'What if half of the prompts have a persona?' },
  { id: 'kl', title: 'What KL is for', teaser: 'All answers are right. What went wrong?' },
  { id: 'limits', title: 'What this model world cannot show', teaser: 'What follows for a large model?' },
] as const;

export type StoryId = (typeof storyList)[number]['id'];

/** The address of a story within the page. */
export const storyHref = (id: StoryId): string => `#/story/${id}`;

/** What an address that names a story asks for; null: there is none of that name. */
export const storyNamed = (name: string) => storyList.find(({ id }) => id === name) ?? null;
