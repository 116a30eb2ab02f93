/** A LabError that crosses from the worker is a LabError on the other side: code, what happened and what to do, each apart. */
import '../../src/worker/wire.ts';
import { transferHandlers } from 'comlink';
import { expect, it } from 'vitest';
import { LabError } from '../../src/errors.ts';

/** As comlink throws, and with the cloning in between. */
function crossed(value: unknown): unknown {
  const throws = transferHandlers.get('throw')!;
  const thrown = { value };
  // comlink marks what it throws; its handler takes nothing else.
  const [serialized] = throws.serialize(thrown);
  try {
    throws.deserialize(structuredClone(serialized));
  } catch (error) {
    return error;
  }
  return expect.fail('nothing was thrown');
}

it('keeps code, what and next', () => {
  const error = crossed(new LabError('storage', 'The disk is full.', 'Delete runs.'));
  expect(error).toBeInstanceOf(LabError);
  expect(error).toMatchObject({
    code: 'storage',
    what: 'The disk is full.',
    next: 'Delete runs.',
    message: 'The disk is full. Delete runs.',
  });
});

it('leaves a bug a bug', () => {
  const error = crossed(new TypeError('x is undefined'));
  expect(error).not.toBeInstanceOf(LabError);
  expect(error).toMatchObject({ message: 'x is undefined' });
});
