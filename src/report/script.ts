/**
 * The page's script: sorts tables by a column, filters galleries, and lets pairs be reviewed. Everything is readable without it.
 * Plain JavaScript as text, because its hash goes into the page's security policy. It must not hold a closing script tag.
 */
import { REVIEW_BOOK, REVIEW_PAGE } from './review-script.ts';

export const SCRIPT = `
'use strict';
(() => {
  const valueOf = (cell) => cell === undefined ? '' : cell.dataset.sort ?? cell.textContent.trim();
  // Unmeasured cells (empty) go last in either direction; numbers compare as numbers.
  const compare = (a, b) => {
    const [m, n] = [Number(a), Number(b)];
    return Number.isNaN(m) || Number.isNaN(n) ? a.localeCompare(b, 'en', { numeric: true }) : m - n;
  };
  const sortBy = (table, column, isDescending) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column]) }));
    rows.sort((a, b) => {
      if (a.value === '' || b.value === '') return (a.value === '') - (b.value === '');
      return isDescending ? compare(b.value, a.value) : compare(a.value, b.value);
    });
    body.append(...rows.map((one) => one.row));
  };
  for (const table of document.querySelectorAll('table[data-sortable]')) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.textContent === '') return;
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const before = head.getAttribute('aria-sort');
        const isNumber = head.classList.contains('number');
        const isDescending = before === null ? isNumber : before === 'ascending';
        for (const other of heads) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', isDescending ? 'descending' : 'ascending');
        sortBy(table, column, isDescending);
      });
    });
  }
  for (const filter of document.querySelectorAll('[data-filter]')) {
    const items = [...document.getElementById(filter.dataset.filter).children];
    const buttons = [...filter.querySelectorAll('button')];
    const status = filter.querySelector('[role=status]');
    filter.hidden = false;
    for (const button of buttons) {
      button.addEventListener('click', () => {
        const level = button.dataset.level;
        for (const other of buttons) other.setAttribute('aria-pressed', String(other === button));
        let shown = 0;
        for (const item of items) {
          item.hidden = level !== undefined && item.dataset.level !== level;
          if (!item.hidden) shown++;
        }
        status.textContent = 'showing ' + shown + ' of ' + items.length;
      });
    }
  }
${REVIEW_BOOK}${REVIEW_PAGE}})();
`;
