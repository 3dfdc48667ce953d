import { BrokerRefusal, isOfGroupLife } from '../kafka-client';
import { tellsOfGroupLife, translated } from './kafkajs-errors';
import { createErrorFromCode } from 'kafkajs/src/protocol/error';

describe('what kafkajs says of a group', () => {
  it.each([14, 15, 16, 27])('is known as part of its life, thrown or logged: code %i', (code) => {
    const error = createErrorFromCode(code);
    expect(isOfGroupLife(translated(error))).toBe(true);
    expect(tellsOfGroupLife('Response JoinGroup(key: 11, version: 5)', error.message)).toBe(true);
    expect(tellsOfGroupLife(`Crash: KafkaJSProtocolError: ${error.message}`, undefined)).toBe(true);
  });

  it('is nothing usual when the coordinator cannot be reached, or the group refuses this user', () => {
    expect(isOfGroupLife(new Error('connect ECONNREFUSED'))).toBe(false);
    expect(isOfGroupLife(new BrokerRefusal(30, 'not authorized'))).toBe(false);
    expect(tellsOfGroupLife('Connection error: connect ECONNREFUSED', undefined)).toBe(false);
    expect(tellsOfGroupLife('Response JoinGroup(key: 11, version: 5)', createErrorFromCode(30).message)).toBe(false);
  });
});
