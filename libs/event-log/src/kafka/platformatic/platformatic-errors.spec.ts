import { BrokerRefusal, KafkaErrorCode, LoginRefused } from '../kafka-client';
import { answerDespite, translated } from './platformatic-errors';

/** As the library makes them: one inner error per refusal, the whole answer beside them. */
const refusal = (apiCode: number): Error => Object.assign(new Error('refused'), { apiCode });
const answerWith = (response: unknown, ...codes: number[]): Error =>
  Object.assign(new AggregateError(codes.map(refusal), 'an answer with refusals'), { response });

describe('errors of @platformatic/kafka in the words of the seam', () => {
  it('are a refusal with the code of the protocol when a broker answered, however deep it is buried', () => {
    const buried = new AggregateError([new Error('sending failed', { cause: answerWith({}, 10) })], 'failed');
    expect(translated(buried)).toBeInstanceOf(BrokerRefusal);
    expect(translated(buried)).toMatchObject({ code: KafkaErrorCode.MESSAGE_TOO_LARGE, cause: buried });
  });

  it('are a refused login for a mechanism or a password that the broker does not take', () => {
    for (const code of [33, 58]) {
      const error = new Error('authentication failed', { cause: answerWith({}, code) });
      expect(translated(error)).toBeInstanceOf(LoginRefused);
    }
  });

  it('say why when no broker answered: a connection lost while logging in is no refused login', () => {
    const lost = new Error('SASL authentication failed.', { cause: new Error('Connection closed') });
    expect(translated(lost)).toEqual(new Error('SASL authentication failed: Connection closed'));
    expect(translated(lost).cause).toBe(lost);
    expect(translated('words')).toEqual(new Error('words'));
  });

  it('give back the answer that the library threw away for one refusal in it', () => {
    const answer = { topics: [] };
    expect(answerDespite(translated(answerWith(answer, 1)))).toBe(answer);
    expect(answerDespite(translated(refusal(1)))).toBeNull();
    expect(answerDespite(new Error('Connection closed'))).toBeNull();
  });
});
