import { ApplicationFailure } from '@temporalio/activity';
import type { z } from 'zod';
import { failureTypes } from '../contract/index.js';

/** The input of each activity of a contract. */
export type InputsOf<A extends { [K in keyof A]: (input: never) => unknown }> = {
  [K in keyof A]: Parameters<A[K]>[0];
};

/**
 * Everything that an activity is given ends up in paths, refs and command lines, whoever scheduled it.
 * @param schemas one for each activity: a new activity does not compile without its schema.
 * @returns a function that checks the input of one activity. It throws an ApplicationFailure `BadInput`, never retried,
 * which names the field and the rule.
 */
export const inputReader =
  <Inputs>(schemas: { [K in keyof Inputs]: z.ZodType<Inputs[K]> }) =>
  <K extends keyof Inputs & string>(activity: K, given: unknown): Inputs[K] => {
    const parsed = schemas[activity].safeParse(given);
    if (parsed.success) return parsed.data;
    const problems = parsed.error.issues
      .slice(0, 5)
      .map(({ path, message }) => `${path.join('.') || 'input'}: ${message}`);
    throw ApplicationFailure.nonRetryable(
      `${activity} cannot use its input: ${problems.join('; ')}`,
      failureTypes.badInput,
    );
  };
