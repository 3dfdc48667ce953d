import { displayText, escapeHtml } from './display-text';

describe('displayText', () => {
  it.each([
    ['escape sequences', 'a\u001b[2Jb', 'a\ufffd[2Jb'],
    ['C1 controls', 'a\u009b31mb', 'a\ufffd31mb'],
    ['line breaks', 'a\r\nBcc: b', 'a\ufffd\ufffdBcc: b'],
    ['Unicode line separators', 'a\u2028b\u2029c', 'a\ufffdb\ufffdc'],
    ['direction overrides', 'a\u202eb\u2066c', 'a\ufffdb\ufffdc'],
    ['half an emoji', 'a\ud83db', 'a\ufffdb'],
    ['a name of which nothing can be seen', '\u200b\u3164 \u00a0', '\ufffd'],
  ])('neutralises %s', (_what, name, shown) => {
    expect(displayText(name)).toBe(shown);
  });

  it.each(['Größe & Maß', 'قاعدة البيانات', '数据库备份', '👩‍🚀 backup', 'עברית 123'])('leaves "%s" alone', (name) => {
    expect(displayText(name)).toBe(name);
  });

  it('cuts long names between characters and says so', () => {
    expect(displayText('🚀'.repeat(20), 5)).toBe('🚀🚀🚀🚀…');
    expect(displayText('12345', 5)).toBe('12345');
  });
});

describe('escapeHtml', () => {
  it('leaves nothing that could start a tag, an entity or end an attribute', () => {
    expect(escapeHtml(`<a href="x" title='y'>&amp;`)).toBe('&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;');
  });
});
