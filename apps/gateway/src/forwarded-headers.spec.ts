import { answerHeaders, requestHeaders } from './forwarded-headers';

const caller = { remoteAddress: '192.0.2.7', hasBody: true };

/** As the service reads them: names once, repeated values joined. */
const asRead = (sent: string[]): Record<string, string> => {
  const read: Record<string, string> = {};
  for (let index = 0; index < sent.length; index += 2) {
    const [name, value] = [sent[index]!, sent[index + 1]!];
    read[name] = name in read ? `${read[name]} | ${value}` : value;
  }
  return read;
};

describe('the headers of a request that is sent on', () => {
  it('are those that came, with where they came from', () => {
    const headers = {
      host: 'flatline.example',
      authorization: 'Bearer x',
      'content-type': ';;;',
      'content-length': '3',
    };
    expect(asRead(requestHeaders(headers, caller))).toEqual({
      ...headers,
      'x-forwarded-for': '192.0.2.7',
      'x-forwarded-proto': 'http',
    });
  });

  it('keep what a proxy in front of us said, and add to it', () => {
    const headers = { 'x-forwarded-for': '198.51.100.1, 203.0.113.2', 'x-forwarded-proto': 'https' };
    expect(asRead(requestHeaders(headers, caller))).toEqual({
      'x-forwarded-for': '198.51.100.1, 203.0.113.2, 192.0.2.7',
      'x-forwarded-proto': 'https',
    });
  });

  it('leave out what is about the connection, and what Connection says is', () => {
    const headers = {
      connection: 'keep-alive, X-Private, Upgrade',
      'x-private': '1',
      'x-public': '2',
      'keep-alive': 'timeout=5',
      'proxy-authorization': 'Basic x',
      te: 'trailers',
      'transfer-encoding': 'chunked',
      upgrade: 'websocket',
      expect: '100-continue',
    };
    expect(Object.keys(asRead(requestHeaders(headers, caller)))).toEqual([
      'x-public',
      'x-forwarded-for',
      'x-forwarded-proto',
    ]);
  });

  it('measure no body when none is sent on', () => {
    const headers = { 'content-length': '3', 'content-type': 'text/plain' };
    const sent = asRead(requestHeaders(headers, { ...caller, hasBody: false }));
    expect(sent).not.toHaveProperty('content-length');
    expect(sent).toHaveProperty('content-type', 'text/plain');
  });
});

describe('the headers of an answer that is passed back', () => {
  it('are all but those of the connection', () => {
    expect(
      answerHeaders({
        'content-type': 'application/json',
        'retry-after': '2',
        'set-cookie': ['a=1', 'b=2'],
        connection: 'close, x-hop',
        'x-hop': '1',
        'keep-alive': 'timeout=72',
        'transfer-encoding': 'chunked',
      }),
    ).toEqual({ 'content-type': 'application/json', 'retry-after': '2', 'set-cookie': ['a=1', 'b=2'] });
  });
});
