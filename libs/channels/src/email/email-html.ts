import { escapeHtml } from '../display-text';
import type { EmailContent } from './render-email';

const red = { light: '#b42318', dark: '#ff7a6b' };
const green = { light: '#067647', dark: '#4fd28c' };
const sans = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const mono = "ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace";

/**
 * The HTML form of a mail: one narrow column that reads the same on a phone. Mail programs know little CSS, so the
 * layout is a table with inline styles, no images and nothing fetched; the style block only adds dark colours where
 * it is understood.
 */
export function emailHtml(content: EmailContent): string {
  const { isDown, word, subject, name, lead, facts, command, baseUrl, follows } = content;
  const accent = isDown ? red : green;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${escapeHtml(subject)}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background-color: #0f1115 !important; }
  .card { background-color: #181b21 !important; border-color: #2b303a !important; }
  .bar { background-color: ${accent.dark} !important; }
  .word { color: ${accent.dark} !important; }
  .strong { color: #f3f4f6 !important; }
  .soft { color: #a3abb8 !important; }
  .line { border-color: #2b303a !important; }
  .code { background-color: #0f1115 !important; color: #d5dae2 !important; }
  .link { color: #a3abb8 !important; }
}
@media (max-width: 480px) {
  .page { padding: 0 !important; }
  .card { border-radius: 0 !important; border-left: 0 !important; border-right: 0 !important; }
  .inside { padding-left: 20px !important; padding-right: 20px !important; }
  .label, .value { display: block !important; width: auto !important; border-bottom: 0 !important; }
  .label { padding-bottom: 0 !important; border-top: 1px solid #e6e8ec; }
  .value { padding-top: 1px !important; border-top: 0 !important; }
}
</style>
</head>
<body style="margin:0;padding:0;background-color:#f3f4f6;" class="page">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all;">${escapeHtml(lead)}</div>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr><td align="center" class="page" style="padding:32px 12px;background-color:#f3f4f6;">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:560px;background-color:#ffffff;border:1px solid #e2e5ea;border-radius:10px;border-collapse:separate;overflow:hidden;">
<tr><td class="bar" style="height:6px;line-height:6px;font-size:0;background-color:${accent.light};">&nbsp;</td></tr>
<tr><td class="inside" style="padding:26px 32px 8px;font-family:${sans};">
<div class="word" style="font-size:14px;line-height:20px;font-weight:700;color:${accent.light};">${word}</div>
<h1 class="strong" style="margin:2px 0 0;font-size:24px;line-height:31px;font-weight:700;color:#111827;overflow-wrap:anywhere;word-break:break-word;"><bdi>${escapeHtml(name)}</bdi></h1>
<p class="strong" style="margin:12px 0 0;font-size:16px;line-height:24px;color:#111827;">${escapeHtml(lead)}</p>
</td></tr>
<tr><td class="inside" style="padding:16px 32px 4px;font-family:${sans};">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
${facts.map(factRow).join('\n')}
</table>
</td></tr>
<tr><td class="inside" style="padding:18px 32px 28px;font-family:${sans};">
<div class="soft" style="font-size:13px;line-height:19px;color:#5f6878;">To see more:</div>
<div class="code" style="margin-top:8px;padding:12px 14px;border-radius:6px;background-color:#f3f4f6;color:#1f2937;font-family:${mono};font-size:12px;line-height:19px;overflow-wrap:anywhere;word-break:break-word;">${command.map(escapeHtml).join('<br>')}</div>
</td></tr>
</table>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:560px;">
<tr><td class="inside soft" style="padding:16px 32px 24px;font-family:${sans};font-size:12px;line-height:18px;color:#5f6878;">
Sent by Flatline at <a class="link" href="${escapeHtml(baseUrl)}" style="color:#5f6878;text-decoration:underline;">${escapeHtml(baseUrl)}</a>${follows === null ? '.' : `.<br>${escapeHtml(follows)}`}
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`;
}

function factRow({ label, value }: EmailContent['facts'][number], index: number): string {
  const line = index === 0 ? '' : 'border-top:1px solid #e6e8ec;';
  return `<tr>
<td class="label soft line" valign="top" style="width:112px;padding:9px 12px 9px 0;${line}font-size:13px;line-height:20px;color:#5f6878;">${label}</td>
<td class="value strong line" valign="top" style="padding:9px 0;${line}font-size:14px;line-height:20px;color:#111827;overflow-wrap:anywhere;word-break:break-word;">${escapeHtml(value)}</td>
</tr>`;
}
