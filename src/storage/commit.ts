/** The end of a transaction. What is in it is its caller's. */

/**
 * Issues the requests and waits for the commit: a full disk may only show there. Whatever fails, a request that cannot even be
 * issued included, undoes the whole transaction.
 */
export async function commit(
  transaction: { readonly done: Promise<void>; abort(): void },
  requests: readonly (() => Promise<unknown>)[],
): Promise<void> {
  const issued: Promise<unknown>[] = [];
  try {
    for (const request of requests) issued.push(request());
  } catch (error) {
    transaction.abort();
    await Promise.allSettled([...issued, transaction.done]);
    throw error;
  }
  const results = await Promise.allSettled([...issued, transaction.done]);
  // A request's own reason comes before the transaction's, which is the last.
  const failed = results.find((result) => result.status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}
