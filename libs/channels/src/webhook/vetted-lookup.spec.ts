import type { LookupAddress } from 'node:dns';
import { PrivateTarget, vettedLookup } from './vetted-lookup';
import type { ResolveAll } from './vetted-lookup';

const first: LookupAddress = { address: '192.0.66.2', family: 4 };
const second: LookupAddress = { address: '2606:4700:4700::1111', family: 6 };
const inside: LookupAddress = { address: '10.0.0.7', family: 4 };

function look(resolve: ResolveAll, options: object): Promise<unknown> {
  return new Promise((done, fail) => {
    vettedLookup(resolve)('host.example', options, (error, address, family) =>
      error ? fail(error) : done(Array.isArray(address) ? address : [address, family]),
    );
  });
}

const answering =
  (...addresses: LookupAddress[]): ResolveAll =>
  (_hostname, _options, done) =>
    done(null, addresses);

describe('the vetted lookup', () => {
  it('hands on public addresses alone, in their order', async () => {
    expect(await look(answering(inside, first, second), { all: true })).toEqual([first, second]);
  });

  it('answers as Node asks: one address, or one of a family', async () => {
    expect(await look(answering(inside, first, second), {})).toEqual([first.address, 4]);
    expect(await look(answering(first, second), { family: 6 })).toEqual([second.address, 6]);
  });

  it('refuses a name that leads to private addresses or nowhere', async () => {
    await expect(look(answering(inside), { all: true })).rejects.toThrow(PrivateTarget);
    await expect(look(answering(), { all: true })).rejects.toThrow(PrivateTarget);
  });

  it('hands on that a name cannot be resolved', async () => {
    const failing: ResolveAll = (_hostname, _options, done) =>
      done(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);
    await expect(look(failing, {})).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('asks once for many that ask at the same time, and anew for those that ask later', async () => {
    const pending: (() => void)[] = [];
    const lookup = vettedLookup((_hostname, _options, done) => pending.push(() => done(null, [first])));
    const ask = (): Promise<unknown> =>
      new Promise((done) => lookup('host.example', {}, (_error, address) => done(address)));
    const together = [ask(), ask(), ask()];
    expect(pending).toHaveLength(1);
    pending.forEach((answer) => answer());
    expect(await Promise.all(together)).toEqual([first.address, first.address, first.address]);
    void ask();
    expect(pending).toHaveLength(2);
  });
});
