// The table of every row. Nothing else on the page needs this script. Texts become text nodes, never markup.
(async () => {
  'use strict';

  const began = performance.now();
  const ROW = 30;       // pixels, as the style has it
  const BEYOND = 8;     // rows drawn above and below what is seen
  const root = document.documentElement;
  const byId = id => document.getElementById(id);

  /** Makes an element with attributes and children; a text becomes a text node. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (value !== false) element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children);
    return element;
  }

  // ---- the rows ----

  /** Reads the packed rows: a line that says what the columns are, then blocks of columns. */
  async function unpack() {
    const base64 = byId('data').textContent.trim();
    const bytes = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), c => c.charCodeAt(0));
    const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
    const lines = (await new Response(inflated).text()).split('\n');
    const { columns, states } = JSON.parse(lines[0]);
    for (const column of columns) Object.assign(column, { cells: [], words: [], known: new Map() });
    for (const line of lines.slice(1)) {
      if (line) addBlock(columns, JSON.parse(line));
    }
    return { columns, states, count: columns[0].cells.length };
  }

  function addBlock(columns, { words, cells }) {
    columns.forEach((column, at) => {
      const translated = [];
      for (const cell of cells[at]) {
        column.cells.push(column.kind === 'word' ? (translated[cell] ??= wordOf(column, words[cell])) : cell);
      }
    });
  }

  /** The number of a word in its column. */
  function wordOf(column, word) {
    let number = column.known.get(word);
    if (number === undefined) {
      number = column.words.push(word) - 1;
      column.known.set(word, number);
    }
    return number;
  }

  const valueOf = (column, row) => {
    const cell = column.cells[row];
    return column.kind === 'word' ? column.words[cell] : cell ?? '';
  };

  /** What a reader sees of it: roles without the scope that all of them have, words without underscores. */
  function shownOf(column, row) {
    const value = valueOf(column, row);
    if (column.key === 'wanted' || column.key === 'before') return value.replace(/^WORKSPACE_/, '').toLowerCase();
    if (column.key === 'state') return value.replaceAll('_', ' ');
    return typeof value === 'number' ? value.toLocaleString('en') : value;
  }

  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

  /** The rows in the order of a column, the first rows first where it says the same. */
  function orderBy(column) {
    if (column.order) return column.order;
    const { cells, kind, words } = column;
    let rank;
    if (kind === 'word') {
      const sorted = words.map((word, number) => [word.toLowerCase(), number]).sort((a, b) => compare(a[0], b[0]));
      const ranks = new Uint32Array(words.length);
      sorted.forEach(([, number], at) => { ranks[number] = at; });
      rank = row => ranks[cells[row]];
    } else if (kind === 'number') {
      rank = row => (cells[row] ?? -1) + 1;
    } else {
      const lower = cells.map(text => text.toLowerCase());
      const order = Uint32Array.from(cells.keys()).sort((a, b) => compare(lower[a], lower[b]) || a - b);
      return (column.order = order);
    }
    const keys = Float64Array.from(cells.keys(), row => rank(row) * rows.count + row).sort();
    return (column.order = Uint32Array.from(keys, key => key % rows.count));
  }

  /** What a search looks into. */
  function haystacks() {
    if (!rows.texts) {
      const texts = rows.columns.filter(column => column.kind !== 'number');
      for (const column of texts) column.lower = column.words.map(word => word.toLowerCase());
      const textOf = (column, row) =>
        column.kind === 'word' ? column.lower[column.cells[row]] : column.cells[row].toLowerCase();
      rows.texts = Array.from({ length: rows.count }, (_, row) => texts.map(column => textOf(column, row)).join('\n'));
    }
    return rows.texts;
  }

  const rows = await unpack();
  const column = key => rows.columns.find(column => column.key === key);
  const toneOf = new Map(rows.states.map(([word, tone]) => [word, tone]));

  // ---- what is shown: the address of the page says it ----

  const wish = { s: '', w: '', q: '', o: 'line' };
  let found = new Uint32Array(0);
  let chosen = -1;       // place in `found`
  let written = '';

  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const key of ['s', 'w', 'q']) wish[key] = given.get(key) ?? '';
    wish.o = given.get('o') ?? 'line';
    if (!column(wish.o.replace(/^-/, ''))) wish.o = 'line';
  }

  function writeAddress() {
    const parts = new URLSearchParams();
    for (const key of ['s', 'w', 'q']) if (wish[key]) parts.set(key, wish[key]);
    if (wish.o !== 'line') parts.set('o', wish.o);
    written = parts.size ? '#' + parts : '#rows';
    if (location.hash !== written && (location.hash || parts.size)) history.replaceState(null, '', written);
  }

  /** Which words of a column pass: none of them means that every row does. */
  function passing(column, test) {
    return Uint8Array.from(column.words, word => (test(word) ? 1 : 0));
  }

  function find() {
    const start = performance.now();
    const isDown = wish.o.startsWith('-');
    const order = orderBy(column(wish.o.replace(/^-/, '')));
    const state = column('state'), workspace = column('workspace');
    const states = wish.s && passing(state, word => word === wish.s || toneOf.get(word) === wish.s);
    const workspaces = wish.w && passing(workspace, word => word === wish.w);
    const needles = wish.q.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = needles.length ? haystacks() : null;
    const result = new Uint32Array(rows.count);
    let length = 0;
    for (let at = 0; at < order.length; at++) {
      const row = order[isDown ? order.length - 1 - at : at];
      if (states && !states[state.cells[row]]) continue;
      if (workspaces && !workspaces[workspace.cells[row]]) continue;
      if (texts && !needles.every(needle => texts[row].includes(needle))) continue;
      result[length++] = row;
    }
    found = result.subarray(0, length);
    chosen = -1;
    list.scrollTop = 0;
    body.style.height = length * ROW + 'px';
    list.setAttribute('aria-rowcount', length + 1);
    count.textContent = `${length.toLocaleString('en')} of ${rows.count.toLocaleString('en')} rows`;
    showControls();
    draw();
    showChosen();
    writeAddress();
    root.dataset.took = (performance.now() - start).toFixed(1);
  }

  // ---- the table ----

  const widths = {
    line: '4.6rem', who: 'minmax(17rem, 1.6fr)', workspace: 'minmax(8rem, 1fr)', deployment: 'minmax(9rem, 1fr)',
    wanted: '5.8rem', before: '5.8rem', state: '8.8rem', attempts: '4.4rem', ms: '4.6rem', why: 'minmax(13rem, 2fr)',
  };
  const shownColumns = () => rows.columns.filter(column => column.shown);

  const count = make('output', { for: 'find states workspaces' });
  const body = make('div', { role: 'rowgroup', class: 'body' });
  const heads = make('div', { role: 'row', 'aria-rowindex': 1 });
  const list = make('div', {
    id: 'list', class: 'list', role: 'grid', tabindex: 0, 'aria-label': 'Every row', 'aria-readonly': 'true',
    onscroll: () => requestAnimationFrame(draw), onkeydown: move,
  }, make('div', { role: 'rowgroup', class: 'names-of-columns' }, heads), body);
  const detail = make('div', { class: 'chosen', 'aria-live': 'polite', hidden: true });

  function showHeads() {
    const shown = shownColumns();
    list.style.setProperty('--columns', shown.map(({ key }) => widths[key] ?? 'minmax(9rem, 1fr)').join(' '));
    list.style.setProperty('--least', shown.reduce((sum, { key }) => sum + parseFloat((widths[key] ?? '9rem').replace('minmax(', '')), 0) + 'rem');
    list.setAttribute('aria-colcount', shown.length);
    heads.replaceChildren(...shown.map(({ key, name, kind }) => {
      const sort = wish.o === key ? 'ascending' : wish.o === '-' + key ? 'descending' : 'none';
      const turn = () => { wish.o = wish.o === key ? '-' + key : key; find(); };
      const button = make('button', { type: 'button', 'data-key': key, onclick: turn }, name);
      return make('div', { role: 'columnheader', 'aria-sort': sort, class: kind === 'number' ? 'number' : 'text' }, button);
    }));
  }

  function draw() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - BEYOND);
    const last = Math.min(found.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + BEYOND);
    const shown = shownColumns();
    const drawn = [];
    for (let place = first; place < last; place++) drawn.push(drawRow(place, shown));
    body.replaceChildren(...drawn);
    const active = chosen >= first && chosen < last ? 'row-' + chosen : '';
    if (active) list.setAttribute('aria-activedescendant', active);
    else list.removeAttribute('aria-activedescendant');
  }

  function drawRow(place, shown) {
    const row = found[place];
    const element = make('div', {
      role: 'row', id: 'row-' + place, 'aria-rowindex': place + 2, 'aria-selected': String(place === chosen),
      class: place % 2 ? 'odd' : 'even', onclick: () => choose(place),
    });
    element.style.top = place * ROW + 'px';
    for (const column of shown) {
      const cell = make('div', { role: 'gridcell', class: column.kind === 'number' ? 'number' : 'text' });
      cell.append(column.key === 'state' ? stateOf(column, row) : shownOf(column, row));
      element.append(cell);
    }
    return element;
  }

  const stateOf = (column, row) =>
    make('span', { class: 'tone t-' + toneOf.get(valueOf(column, row)) }, shownOf(column, row));

  function choose(place) {
    chosen = Math.max(0, Math.min(found.length - 1, place));
    if (chosen < 0) return;
    const head = heads.offsetHeight;
    const top = chosen * ROW, room = list.clientHeight - head;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + room) list.scrollTop = top + ROW - room;
    draw();
    showChosen();
  }

  /** Everything about the chosen row, in full. */
  function showChosen() {
    detail.hidden = chosen < 0;
    if (chosen < 0) return;
    const row = found[chosen];
    const part = column => make('div', { class: column.key === 'why' ? 'wide' : 'part-of-row' },
      make('dt', {}, column.name),
      make('dd', {}, column.key === 'state' ? stateOf(column, row) : String(valueOf(column, row) || '–')));
    detail.replaceChildren(make('dl', {}, ...rows.columns.map(part)));
  }

  function move(event) {
    const page = Math.max(1, Math.floor(list.clientHeight / ROW) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === 'Escape') {
      chosen = -1;
      draw();
      showChosen();
    } else if (event.key in steps && event.target === list && found.length) {
      event.preventDefault();
      choose(chosen < 0 && steps[event.key] > 0 && steps[event.key] < Infinity ? 0 : Math.max(chosen, 0) + steps[event.key]);
    }
  }

  // ---- the controls ----

  const search = make('input', { type: 'search', id: 'find', placeholder: 'Person, detail, code, …' });
  const states = make('select', { id: 'states' }, make('option', { value: '' }, 'All'));
  const workspaces = make('select', { id: 'workspaces' }, make('option', { value: '' }, 'All'));

  function fillControls() {
    const counts = new Map();
    for (const cell of column('state').cells) counts.set(cell, (counts.get(cell) ?? 0) + 1);
    const words = rows.states.map(([word, tone, name]) => ({ word, tone, name, count: counts.get(column('state').known.get(word)) ?? 0 }));
    for (const tone of new Set(words.map(({ tone }) => tone))) {
      const ofTone = words.filter(one => one.tone === tone && one.count);
      const all = words.find(one => one.tone === tone);
      const group = make('optgroup', { label: all.name }, make('option', { value: tone }, `All ${all.name}`));
      for (const { word, count } of ofTone) group.append(make('option', { value: word }, `${word.replaceAll('_', ' ')} (${count.toLocaleString('en')})`));
      states.append(group);
    }
    const names = column('workspace').words.filter(Boolean).sort((a, b) => compare(a.toLowerCase(), b.toLowerCase()));
    workspaces.append(...names.map(name => make('option', { value: name }, name)));
  }

  function showControls() {
    if (search.value !== wish.q) search.value = wish.q;
    states.value = wish.s;
    workspaces.value = wish.w;
    showHeads();
  }

  const chooser = () => make('details', { class: 'chooser' }, make('summary', {}, 'Columns'),
    make('div', {}, ...rows.columns.map(column => make('label', { class: 'check' },
      make('input', { type: 'checkbox', checked: column.shown, onchange: event => { column.shown = event.target.checked; showHeads(); draw(); } }),
      column.name))));

  // ---- copying ----

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make('textarea', { 'aria-hidden': 'true' });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
  }

  /** A cell of a CSV file that no spreadsheet runs as a formula. */
  function csvCell(value) {
    const text = /^[\s\u00a0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(value) ? "'" + value : String(value);
    return /[",;\t|\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  }

  function csv() {
    const line = cells => cells.map(csvCell).join(',') + '\n';
    const lines = Array.from(found, row => line(rows.columns.map(column => valueOf(column, row))));
    return line(rows.columns.map(({ name }) => name)) + lines.join('');
  }

  async function copyRows(event) {
    const button = event.target;
    await copy(csv());
    button.textContent = `Copied ${found.length.toLocaleString('en')} rows`;
    setTimeout(() => { button.textContent = 'Copy rows as CSV'; }, 2500);
  }

  for (const command of document.querySelectorAll('.command')) {
    const text = command.querySelector('code').textContent;
    const press = async event => {
      await copy(text);
      event.target.textContent = 'Copied';
      setTimeout(() => { event.target.textContent = 'Copy'; }, 2500);
    };
    command.append(make('button', { type: 'button', 'aria-label': 'Copy the command', onclick: press }, 'Copy'));
  }

  // ---- the page around it ----

  for (const time of document.querySelectorAll('time')) {
    const here = new Date(time.dateTime);
    if (here.getTimezoneOffset()) time.append(` (here ${here.toLocaleString()})`);
  }

  addEventListener('beforeprint', () => {
    for (const folded of document.querySelectorAll('main details:not([open])')) {
      folded.open = true;
      addEventListener('afterprint', () => { folded.open = false; }, { once: true });
    }
  });

  addEventListener('hashchange', () => {
    if (location.hash === written) return;
    const isFilter = /^#[swqo]=/.test(location.hash);
    if (!isFilter) return;
    readAddress();
    find();
    byId('rows').scrollIntoView();
    list.focus({ preventScroll: true });
  });

  addEventListener('keydown', event => {
    if (event.key === '/' && !event.target.closest('input, select, textarea')) {
      event.preventDefault();
      search.focus();
    }
  });

  let waiting = 0;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(seek, 120);
  };
  const seek = () => {
    clearTimeout(waiting);
    const [q, s, w] = [search.value, states.value, workspaces.value];
    // A search that is left says that it changed, though its rows are shown already.
    if (wish.q === q && wish.s === s && wish.w === w) return;
    Object.assign(wish, { q, s, w });
    find();
  };
  search.addEventListener('input', later);
  for (const control of [search, states, workspaces]) control.addEventListener('change', seek);

  fillControls();
  const labelled = (name, control) => make('label', {}, name, control);
  const table = byId('table');
  table.append(
    make('div', { class: 'tools', role: 'search', 'aria-label': 'Filter the rows' },
      labelled('Find', search), labelled('Status', states), labelled('Workspace', workspaces), chooser(),
      make('button', { type: 'button', id: 'copy', onclick: copyRows }, 'Copy rows as CSV'), count),
    list, detail,
    make('p', { class: 'keys' }, make('kbd', {}, '/'), ' finds, ', make('kbd', {}, '↑'), ' ', make('kbd', {}, '↓'),
      ' choose a row in the table, ', make('kbd', {}, 'Esc'), ' lets it go. The address of this page keeps the filter.'));
  table.hidden = false;
  root.classList.add('with-script');
  readAddress();
  find();
  if (/^#[swqo]=/.test(location.hash)) byId('rows').scrollIntoView();
  root.dataset.ready = (performance.now() - began).toFixed(1);
  (globalThis.requestIdleCallback ?? setTimeout)(haystacks);
})();
