/**
 * The review of pairs by keyboard: plain JavaScript as text, part of the page's one script. Two pieces: `reviewBook` keeps
 * decisions and makes the waiver file from them, and touches no page; the rest shows one pair at a time.
 *
 * The file is the one that `--waivers` takes (audit/gate/waivers.ts): pairs are named by the digests of both images, so a waiver
 * dies with the content.
 */

/** `audit`: digest of the audit that the page shows, '' where it is not known. `pairs`: {type, a, b} in the order of review. Decisions are 'leak' or a waiver's fields; every change can be undone. */
export const REVIEW_BOOK = `
  const reviewBook = (pairs, audit = '') => {
    const keyOf = (pair) => pair.type + ' ' + pair.a + ' ' + pair.b;
    const isText = (value) => typeof value === 'string' && value !== '';
    const isDay = (value) => isText(value) && /^\\d{4}-\\d{2}-\\d{2}$/.test(value);
    // the first field that the gate would not take, or null
    const faultOf = (waiver) => {
      if (waiver === null || typeof waiver !== 'object') return 'fields';
      for (const name of ['a', 'b']) if (!/^[0-9a-f]{64}$/.test(String(waiver[name]))) return name;
      for (const name of ['type', 'judgement', 'reviewer', 'reason']) if (!isText(waiver[name])) return name;
      if (!isDay(waiver.date)) return 'date';
      return waiver.expires === undefined || isDay(waiver.expires) ? null : 'expires';
    };
    const known = new Set(pairs.map(keyOf));
    let decided = new Map();
    const earlier = [];
    const put = (key, decision) => {
      earlier.push(decided);
      decided = new Map(decided).set(key, decision);
    };
    return {
      of: (pair) => decided.get(keyOf(pair)) ?? null,
      leak: (pair) => put(keyOf(pair), { kind: 'leak' }),
      // the first thing that a waiver lacks, or null when it was taken
      waive: (pair, fields) => {
        const filled = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.trim()]));
        for (const name of ['reviewer', 'reason', 'judgement', 'date', 'expires'])
          if (filled[name] === '' || filled[name] === undefined) return name;
        for (const name of ['date', 'expires'])
          if (!/^\\d{4}-\\d{2}-\\d{2}$/.test(filled[name])) return name;
        if (filled.expires < filled.date) return 'expires';
        put(keyOf(pair), { kind: 'waived', waiver: { type: pair.type, a: pair.a, b: pair.b, ...filled } });
        return null;
      },
      undo: () => {
        if (earlier.length === 0) return false;
        decided = earlier.pop();
        return true;
      },
      count: (kind) => [...decided.values()].filter((one) => one.kind === kind).length,
      left: () => [...known].filter((key) => !decided.has(key)).length,
      // waivers of an earlier file are kept, also for pairs that this page does not show; what is none changes nothing. The gate tells
      // stale ones: this page does not know all images of the audit
      load: (text) => {
        let file;
        try {
          file = JSON.parse(text);
        } catch {
          return { error: 'this file is no JSON' };
        }
        if (file === null || typeof file !== 'object' || file.version !== 1 || !Array.isArray(file.waivers))
          return { error: 'this is no waiver file of version 1' };
        for (const [index, waiver] of file.waivers.entries()) {
          const wrong = faultOf(waiver);
          if (wrong !== null) return { error: 'waiver ' + (index + 1) + ' of this file has no usable ' + wrong };
        }
        const next = new Map(decided);
        for (const waiver of file.waivers) next.set(keyOf(waiver), { kind: 'waived', waiver });
        earlier.push(decided);
        decided = next;
        return {
          read: file.waivers.length,
          shown: file.waivers.filter((waiver) => known.has(keyOf(waiver))).length,
          otherAudit: file.audit !== undefined && audit !== '' && file.audit !== audit,
        };
      },
      file: () => ({
        version: 1,
        ...(audit === '' ? {} : { audit }),
        waivers: [...decided]
          .filter((one) => one[1].kind === 'waived')
          .sort((x, y) => (x[0] < y[0] ? -1 : 1))
          .map((one) => one[1].waiver),
      }),
    };
  };
`;

export const REVIEW_PAGE = `
  const review = document.getElementById('review');
  if (review !== null) {
    const items = [...document.querySelectorAll('#pairs > li[data-a]')];
    const groups = new Map();
    for (const item of items) {
      const { type, a, b } = item.dataset;
      const key = type + ' ' + a + ' ' + b;
      if (!groups.has(key)) groups.set(key, { type, a, b, items: [] });
      groups.get(key).items.push(item);
    }
    // what few levels flag comes first: there a look teaches most
    const pairs = [...groups.values()].sort((x, y) => x.items.length - y.items.length);
    const book = reviewBook(pairs, review.dataset.audit);
    const part = (name) => review.querySelector('[data-part=' + name + ']');
    const field = (name) => review.querySelector('[name=' + name + ']');
    const day = (later) => {
      const at = new Date();
      at.setDate(at.getDate() + later);
      return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
    };
    field('expires').value = day(365);
    let at = 0;
    const wordsOf = (pair) => {
      const decision = book.of(pair);
      if (decision === null) return 'not reviewed';
      return decision.kind === 'leak' ? 'a leak' : 'waived: ' + decision.waiver.judgement + ', ' + decision.waiver.reason;
    };
    const say = (text) => { part('status').textContent = text; };
    if (pairs.length === 0) say('no pair on this page can be waived');
    const show = () => {
      part('counts').textContent =
        book.count('waived') + ' waived, ' + book.count('leak') + ' leaks, ' + book.left() + ' to review';
      const pair = pairs[at];
      if (pair === undefined) return;
      part('pair').replaceChildren(...[...pair.items[0].children].map((child) => child.cloneNode(true)));
      part('evidence').textContent = pair.items.map((item) => item.dataset.evidence).join('; ');
      part('place').textContent = at + 1 + ' of ' + pairs.length + ', ' + pair.type + ': ' + wordsOf(pair);
      for (const other of pairs)
        for (const item of other.items) {
          item.querySelector('.decision').textContent = book.of(other) === null ? '' : wordsOf(other);
          item.classList.toggle('current', other === pair);
        }
    };
    const step = (by) => {
      at = Math.min(pairs.length - 1, Math.max(0, at + by));
      show();
    };
    const onward = (text) => {
      say(text);
      step(1);
    };
    const actions = {
      next: () => step(1),
      back: () => step(-1),
      leak: () => {
        if (pairs.length === 0) return;
        book.leak(pairs[at]);
        onward('kept as a leak');
      },
      waive: () => {
        if (pairs.length === 0) return;
        const fields = { date: day(0) };
        for (const name of ['reviewer', 'reason', 'judgement', 'expires']) fields[name] = field(name).value;
        const lacking = book.waive(pairs[at], fields);
        if (lacking === null) onward('waived');
        else {
          say('a waiver needs: ' + lacking);
          field(lacking).focus();
        }
      },
      undo: () => {
        say(book.undo() ? 'undone' : 'nothing to undo');
        show();
      },
      download: () => {
        const text = JSON.stringify(book.file(), null, 2) + '\\n';
        const link = document.createElement('a');
        link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
        link.download = 'waivers.json';
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
        say('waivers.json holds ' + book.file().waivers.length);
      },
    };
    for (const button of review.querySelectorAll('[data-action]'))
      button.addEventListener('click', () => actions[button.dataset.action]());
    const keys = { j: 'next', k: 'back', ArrowRight: 'next', ArrowLeft: 'back', a: 'leak', w: 'waive', u: 'undo', d: 'download' };
    review.addEventListener('keydown', (event) => {
      const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === 'Escape' && isTyping) review.focus();
      const action = keys[event.key];
      if (isTyping || action === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      actions[action]();
    });
    field('earlier').addEventListener('change', async (event) => {
      const [file] = event.target.files;
      if (file === undefined) return;
      const loaded = book.load(await file.text());
      say(
        loaded.error ??
          loaded.read + ' waivers read, ' + loaded.shown + ' of them for pairs on this page' +
          (loaded.otherAudit ? '; they were made for another audit, and the gate refuses those whose images are gone' : ''),
      );
      show();
    });
    for (const [index, pair] of pairs.entries())
      for (const item of pair.items)
        item.addEventListener('click', () => {
          at = index;
          show();
          review.focus();
        });
    review.hidden = false;
    show();
  }
`;
