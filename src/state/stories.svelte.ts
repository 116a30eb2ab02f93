/** What the reader has said to the stories' questions, kept in this browser. What is asked is `ui/stories/`. */
import { remember, remembered } from './remembered.ts';

export class StoryAnswers {
  #known = $state<Readonly<Record<string, number | null>>>({});

  /** Which choice; null: not answered yet. */
  of(id: string): number | null {
    return id in this.#known ? this.#known[id]! : read(id);
  }

  give(id: string, choice: number): void {
    this.#known = { ...this.#known, [id]: choice };
    remember(`story.${id}`, String(choice));
  }

  /** It can be asked anew. */
  forget(id: string): void {
    this.#known = { ...this.#known, [id]: null };
    remember(`story.${id}`, null);
  }
}

function read(id: string): number | null {
  const kept = remembered(`story.${id}`);
  return kept !== null && /^\d$/.test(kept) ? Number(kept) : null;
}

/** One for the page. */
export const storyAnswers = new StoryAnswers();
