/** Locks between tabs, and a browser that refuses them. */
import { expect, it } from 'vitest';
import { webLocks } from '../../src/worker/locks.ts';

const refusing = (name: string) => {
  const refuse = () => Promise.reject(new DOMException('Access to the Locks API is denied in this context.', name));
  return webLocks({ request: refuse, query: refuse } as unknown as LockManager);
};

it('where site data is blocked every run can be had', async () => {
  const locks = refusing('SecurityError');
  const release = await locks.hold('a');
  expect(release).not.toBeNull();
  release!();
  expect(await locks.heldElsewhere('a')).toBe(false);
});

it('any other refusal is none of that', async () => {
  await expect(refusing('InvalidStateError').hold('a')).rejects.toThrow(/denied/);
  await expect(refusing('InvalidStateError').heldElsewhere('a')).rejects.toThrow(/denied/);
});
