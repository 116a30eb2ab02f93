/** What lies open beside the button or word that opened it: a press on that closes it once, and the focus goes back there. */
export function anchored(anchor: () => HTMLElement) {
  return {
    /** Its own press closes it already; taken for one outside, it would close and open again. */
    onInteractOutside(event: Event): void {
      if (event.target instanceof Node && anchor().contains(event.target)) event.preventDefault();
    },
    onCloseAutoFocus(event: Event): void {
      event.preventDefault();
      anchor().focus();
    },
  };
}
