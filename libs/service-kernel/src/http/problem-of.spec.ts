import { BadRequestException, InternalServerErrorException, NotFoundException } from '@nestjs/common';
import { Problem, problemBody } from './problem';
import { problemOf } from './problem-of';

const coded = (code: string, message = 'secret detail') => Object.assign(new Error(message), { code });

describe('what a caller is told', () => {
  it.each([
    ['a problem of ours', new Problem(402, 'heartbeat quota reached'), 402, 'heartbeat quota reached'],
    ['an unknown route of Nest', new NotFoundException('Cannot GET /secret'), 404, 'not found'],
    ['a refusal of Nest', new BadRequestException('bad thing'), 400, 'bad thing'],
    ['a failure of Nest', new InternalServerErrorException('secret'), 500, 'internal server error'],
    ['an unexpected error', new Error('secret'), 500, 'internal error'],
    ['a thrown text', 'secret', 500, 'internal error'],
    ['a thrown undefined', undefined, 500, 'internal error'],
    ['a database that is away', coded('ECONNREFUSED'), 503, 'temporarily unavailable'],
    ['a database that shuts down', coded('57P01'), 503, 'temporarily unavailable'],
    ['a deadlock', { driverError: coded('40P01') }, 503, 'temporarily unavailable'],
    ['a pool that is exhausted', new Error('timeout exceeded when trying to connect'), 503, 'temporarily unavailable'],
    ['a host with several addresses', new AggregateError([coded('ECONNREFUSED')]), 503, 'temporarily unavailable'],
    ['a value Postgres cannot hold', coded('22021'), 400, 'a value cannot be stored'],
    ['a duplicate we did not expect', coded('23505'), 500, 'internal error'],
  ])('of %s', (_what, error, status, message) => {
    const problem = problemOf(error);
    expect(problemBody(problem)).toMatchObject({ error: message, status });
    expect(JSON.stringify(problemBody(problem))).not.toContain('secret');
  });

  it('is every field that is wrong', () => {
    const problem = Problem.invalid([
      { field: 'name', message: 'is required' },
      { field: 'grace_secs', message: 'must be a whole number' },
    ]);
    expect(problemBody(problem)).toMatchObject({
      error: 'name is required; grace_secs must be a whole number',
      status: 422,
      errors: [{ field: 'name' }, { field: 'grace_secs' }],
    });
  });
});
