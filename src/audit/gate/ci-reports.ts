/** The verdict as continuous integration reads it: JUnit XML (one case per rule) and SARIF 2.1.0 (rules and offending pairs). */
import { describeEvidence } from '../evidence.ts';
import type { GateResult } from './judge.ts';
import type { RuleResult } from './rule-result.ts';

/** Violated rules are failures, rules that could not be measured are errors. */
export function junitOf({ rules }: GateResult): string {
  const count = (verdict: RuleResult['verdict']): number =>
    rules.filter((rule) => rule.verdict === verdict).length;
  const counts = `tests="${rules.length}" failures="${count('violated')}" errors="${count('invalid')}"`;
  const cases = rules.map((rule) => {
    const name = `    <testcase classname="stillhouse.audit" name="${xml(rule.rule)}"`;
    if (rule.verdict === 'pass') return `${name}/>`;
    const tag = rule.verdict === 'violated' ? 'failure' : 'error';
    return `${name}>\n      <${tag} message="${xml(sentenceOf(rule))}"/>\n    </testcase>`;
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="stillhouse audit" ${counts}>`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

/** What a person reads about one rule. */
export function sentenceOf({ rule, measured, limit, detail }: RuleResult): string {
  const numbers = measured === null ? 'not measured' : `measured ${measured}`;
  return `${rule}: ${numbers}${limit === null ? '' : `, limit ${limit}`}; ${detail}`;
}

export interface SarifInput {
  readonly result: GateResult;
  readonly version: string;
  /** Where an image lies, as a URI. */
  readonly uriOf: (imageId: string) => string;
}

/** Results beyond this many are left out, as viewers refuse more. */
const MOST_PAIRS = 1000;

export function sarifOf({ result, version, uriOf }: SarifInput): string {
  const broken = result.rules.filter(({ verdict }) => verdict !== 'pass');
  const ids = [
    ...new Set([...broken.map(({ rule }) => rule), ...(result.offending.length > 0 ? ['leaked-pair'] : [])]),
  ];
  const document = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'stillhouse',
            version,
            rules: ids.map((id) => ({ id, shortDescription: { text: id } })),
          },
        },
        results: [
          ...broken.map((rule) => ({
            ruleId: rule.rule,
            level: rule.verdict === 'violated' ? 'error' : 'warning',
            message: { text: sentenceOf(rule) },
          })),
          ...result.offending.slice(0, MOST_PAIRS).map((pair) => ({
            ruleId: 'leaked-pair',
            level: 'error',
            message: { text: `${pair.type}: ${describeEvidence(pair.evidence)} (${pair.a} and ${pair.b})` },
            locations: [pair.b, pair.a].map((id) => ({
              physicalLocation: { artifactLocation: { uri: uriOf(id) } },
            })),
            partialFingerprints: { 'stillhouse/pair/v1': `${pair.type}:${pair.a}:${pair.b}` },
          })),
        ],
      },
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Text for XML 1.0, which cannot hold control characters at all. */
function xml(text: string): string {
  return text
    .replace(
      /[\u0000-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      '\ufffd',
    )
    .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
