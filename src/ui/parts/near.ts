/** Tells once that an element has come near the part of the page that is in sight: what is expensive and far below waits for it. */
import type { Attachment } from 'svelte/attachments';

/** @param margin how near, a CSS length */
export function near(came: () => void, margin = '50%'): Attachment<Element> {
  return (element) => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
        observer.disconnect();
        came();
      },
      { rootMargin: margin },
    );
    observer.observe(element);
    return () => observer.disconnect();
  };
}
