/**
 * LabErrors across the worker's boundary. comlink carries an error's name, message and stack; this adds what to do next, so that the
 * other side throws a LabError again. Imported for its effect on both sides, before anything is exposed or wrapped.
 */
import { transferHandlers, type TransferHandler } from 'comlink';
import { LabError, labErrorCode } from '../errors.ts';

type Thrown = { isError: boolean; value: { name?: string; message?: string; next?: string } };

const inherited = transferHandlers.get('throw') as TransferHandler<{ value: unknown }, Thrown>;

const withNext: TransferHandler<{ value: unknown }, Thrown> = {
  canHandle: inherited.canHandle.bind(inherited),
  serialize(thrown) {
    const [serialized, transfer] = inherited.serialize(thrown);
    if (thrown.value instanceof LabError) serialized.value.next = thrown.value.next;
    return [serialized, transfer];
  },
  deserialize(serialized) {
    try {
      return inherited.deserialize(serialized);
    } catch (error) {
      const code = labErrorCode(error);
      if (!code) throw error;
      const { message, next = '' } = error as Error & { next?: string };
      const what = message.endsWith(next) ? message.slice(0, message.length - next.length).trimEnd() : message;
      throw new LabError(code, what, next, { cause: error });
    }
  },
};

transferHandlers.set('throw', withNext);
