import { DeliveryLanes } from './delivery-lanes';
import type { QueuedDelivery } from './delivery-lanes';

const limits = { total: 4, untried: 2, failing: 1, allFailing: 2, waiting: 3 };

function takeAll(lanes: DeliveryLanes): QueuedDelivery[] {
  const taken: QueuedDelivery[] = [];
  for (let next = lanes.take(); next; next = lanes.take()) taken.push(next);
  return taken;
}

const delivery = (id: string, channelId: string): QueuedDelivery => ({ id, channelId, channelKind: 'webhook' });
const ids = (taken: QueuedDelivery[]) => taken.map(({ id }) => id);

describe('the lanes', () => {
  let lanes: DeliveryLanes;
  beforeEach(() => {
    lanes = new DeliveryLanes(limits, ({ channelId }) => ({ name: channelId, limit: 2 }));
  });

  const offer = (channelId: string, ...offered: string[]) =>
    offered.forEach((id) => lanes.offer(delivery(id, channelId)));

  it('serve a channel in the order of its offers, and not more at once than it may', () => {
    offer('a', 'a1', 'a2', 'a3');
    expect(ids(takeAll(lanes))).toEqual(['a1', 'a2']);
    lanes.release(delivery('a1', 'a'), true);
    expect(ids(takeAll(lanes))).toEqual(['a3']);
  });

  it('serve channels in turn', () => {
    offer('a', 'a1', 'a2', 'a3');
    offer('b', 'b1', 'b2');
    expect(ids(takeAll(lanes))).toEqual(['a1', 'b1', 'a2', 'b2']);
  });

  it('keep no more under way than allowed over all channels', () => {
    for (const channel of ['a', 'b', 'c', 'd', 'e']) offer(channel, `${channel}1`, `${channel}2`);
    expect(takeAll(lanes)).toHaveLength(4);
    expect(lanes.underWayCount).toBe(4);
  });

  it('give a failing channel one at a time until one succeeds', () => {
    offer('a', 'a1', 'a2', 'a3');
    takeAll(lanes);
    lanes.release(delivery('a1', 'a'), false);
    lanes.release(delivery('a2', 'a'), false);
    offer('a', 'a4', 'a5');
    expect(ids(takeAll(lanes))).toEqual(['a3']);
    lanes.release(delivery('a3', 'a'), true);
    expect(ids(takeAll(lanes))).toEqual(['a4', 'a5']);
  });

  /** Guarded by `failing` in delivery-lanes.ts: a receiver that hangs must not fill its lane with each round of retries. */
  it('remember a failing channel while it has nothing to do', () => {
    offer('a', 'a1');
    takeAll(lanes).forEach((taken) => lanes.release(taken, false));
    offer('a', 'a1', 'a2');
    expect(ids(takeAll(lanes))).toEqual(['a1']);
  });

  it('give a channel all that it may when an attempt has shown that it works', () => {
    lanes = new DeliveryLanes({ ...limits, untried: 1 }, ({ channelId }) => ({ name: channelId, limit: 2 }));
    offer('a', 'a1', 'a2', 'a3');
    const [first] = takeAll(lanes);
    expect(takeAll(lanes)).toEqual([]);
    lanes.release(first as QueuedDelivery, true);
    expect(ids(takeAll(lanes))).toEqual(['a2', 'a3']);
  });

  /** Guarded by `allFailing`: without it those that hang keep everything, and who works gets nothing. */
  it('keep room for channels that work, however many fail', () => {
    const broken = ['a', 'b', 'c', 'd'];
    broken.forEach((channel) => offer(channel, `${channel}1`));
    takeAll(lanes).forEach((taken) => lanes.release(taken, false));
    broken.forEach((channel) => offer(channel, `${channel}1`));
    offer('e', 'e1', 'e2');
    expect(ids(takeAll(lanes))).toEqual(['a1', 'b1', 'e1', 'e2']);
  });

  it('hold an id once', () => {
    offer('a', 'a1', 'a1');
    expect(ids(takeAll(lanes))).toEqual(['a1']);
  });

  it('look again at what was offered while it was under way', () => {
    offer('a', 'a1');
    const [first] = takeAll(lanes);
    offer('a', 'a1');
    expect(takeAll(lanes)).toEqual([]);
    lanes.release(first as QueuedDelivery, null);
    expect(ids(takeAll(lanes))).toEqual(['a1']);
  });

  it('refuse more than fits and tell when there is room again', () => {
    offer('a', 'a1', 'a2', 'a3', 'a4');
    expect(lanes.waitingCount).toBe(3);
    expect(lanes.hasRoomAgain()).toBe(false);
    for (let round = 0; round < 3; round += 1) takeAll(lanes).forEach((taken) => lanes.release(taken, true));
    expect(lanes.hasRoomAgain()).toBe(true);
    expect(lanes.hasRoomAgain()).toBe(false);
  });

  it('forget channels that have nothing to do', () => {
    offer('a', 'a1');
    takeAll(lanes).forEach((taken) => lanes.release(taken, true));
    expect(lanes.waitingCount + lanes.underWayCount).toBe(0);
  });
});
