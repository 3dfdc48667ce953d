import { readFileSync } from 'node:fs';

export interface DockerfileStep {
  readonly instruction: string;
  /** What follows the instruction, as written. */
  readonly text: string;
}

export interface DockerfileStage {
  /** Null for the last, which is the image. */
  readonly name: string | null;
  readonly from: string;
  readonly steps: readonly DockerfileStep[];
}

/** Reads the few instructions that our Dockerfile is made of: one per line, no continuation, no here-documents. */
export function parseDockerfile(file: string): DockerfileStage[] {
  const stages: { name: string | null; from: string; steps: DockerfileStep[] }[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, instruction, text] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (!instruction || !text || line.endsWith('\\')) throw new Error(`not read by this parser: ${line}`);
    if (instruction === 'FROM') {
      const [from, name] = text.split(' AS ');
      stages.push({ from: from!, name: name ?? null, steps: [] });
    } else {
      stages.at(-1)!.steps.push({ instruction, text });
    }
  }
  return stages;
}

/** The texts of an instruction of a stage, in order. */
export function textsOf(stage: DockerfileStage, instruction: string): string[] {
  return stage.steps.filter((step) => step.instruction === instruction).map((step) => step.text);
}
