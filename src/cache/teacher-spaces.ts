/** From a teacher's session to the spaces it fills. */
import type { Json } from '../core/canonical-json.ts';
import type { TeacherIdentity } from '../teachers/open-teacher.ts';
import { preprocessDescription } from '../teachers/preprocess.ts';
import type { Mosaic } from '../teachers/mosaic/neighbours.ts';
import type { TeacherManifest } from '../teachers/teacher-manifest.ts';
import type { TeacherSession } from '../teachers/teacher.ts';
import { type CodecChoice, codecFor } from './codecs/codec-choice.ts';
import type { SpaceGroup } from './plan.ts';
import type { SpaceDescriptor } from './space.ts';

export interface TeacherToCache {
  readonly manifest: TeacherManifest;
  readonly identity: TeacherIdentity;
  readonly session: TeacherSession;
  /** From the most special to the most general; f16 where none says anything. */
  readonly codecs: readonly (CodecChoice | undefined)[];
}

/** The same spaces, their views shown on mosaics. */
export function onMosaic(group: SpaceGroup, mosaic: Mosaic): SpaceGroup {
  return { ...group, mosaic, spaces: group.spaces.map((space) => ({ ...space, mosaic })) };
}

/** Codecs are as they were asked for: those that need statistics may still lack them. */
export function spaceGroupOf({ manifest, identity, session, codecs }: TeacherToCache): SpaceGroup {
  const spaces = (['summary', 'spatial'] as const).flatMap((kind): SpaceDescriptor[] => {
    const tap = session[kind];
    if (tap === null) return [];
    return [
      {
        v: 1,
        teacher: { name: manifest.name, engine: manifest.engine, weightsSha256: identity.weightsSha256 },
        runtime: identity.runtime,
        preprocess: preprocessDescription(manifest),
        sizePx: session.sizePx,
        tap: { kind, rule: tap.rule satisfies Json },
        shape: tap.shape,
        codec: codecFor(kind, codecs),
      },
    ];
  });
  return { teacher: manifest.name, sizePx: session.sizePx, spaces };
}
