/**
 * LabErrors across the worker's boundary. comlink carries an error's name, message and stack; this adds what happened and what to do next, so that the
 * other side throws a LabError again. Imported for its effect on both sides, before anything is exposed or wrapped.
 */
import { transferHandlers, type TransferHandler } from 'comlink';
import { LabError, labErrorCode } from '../errors.ts';

type Thrown = { isError: boolean; value: { name?: string; message?: string; what?: string; next?: string } };

const inherited = transferHandlers.get('throw') as TransferHandler<{ value: unknown }, Thrown>;

const withNext: TransferHandler<{ value: unknown }, Thrown> = {
  canHandle: inherited.canHandle.bind(inherited),
  serialize(thrown) {
    const [serialized, transfer] = inherited.serialize(thrown);
    if (thrown.value instanceof LabError) Object.assign(serialized.value, { what: thrown.value.what, next: thrown.value.next });
    return [serialized, transfer];
  },
  deserialize(serialized) {
    try {
      return inherited.deserialize(serialized);
    } catch (error) {
      const code = labErrorCode(error);
      if (!code) throw error;
      const { message, what = message, next = '' } = error as Error & { what?: string; next?: string };
      throw new LabError(code, what, next, { cause: error });
    }
  },
};

transferHandlers.set('throw', withNext);
