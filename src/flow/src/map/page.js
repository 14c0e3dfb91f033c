// Makes the picture of the map move, and shows the flows of what is chosen. Everything that it shows is text: no names become HTML.
'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const { map, fates, links, bundles, width, height, is_large: isLarge } = JSON.parse(byId('data').textContent);
  const svg = byId('map');
  const panel = byId('panel');
  const ROWS_MAX = 200; // Rows of a table that are shown at once.
  const CLOSE = 0.62; // From this scale on a large map shows its nodes.
  const FEW = 12; // Lines that are drawn thick when they are chosen.
  const READABLE = 0.5; // Below this scale the texts of lines are hidden.
  const all = (selector) => [...document.querySelectorAll(selector)];
  const inOrder = (selector, name) => all(selector).sort((a, b) => a.dataset[name] - b.dataset[name]);
  const groupParts = inOrder('.group', 'group');
  const nodeParts = inOrder('.node', 'node');
  const linkParts = inOrder('.link', 'link');
  const bundleParts = inOrder('.bundle', 'bundle');
  const rows = all('#edges tbody tr');
  const fateWords = Object.fromEntries(fates);
  const count = (number) => number.toLocaleString('en-US');
  const utc = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ');
  const bytes = (number) => {
    if (number < 1000) return `${number} B`;
    let unit = -1;
    do { number /= 1000; unit += 1; } while (number >= 999.5 && unit < 5);
    return `${number < 9.95 ? number.toFixed(1) : number.toFixed(0)} ${['kB', 'MB', 'GB', 'TB', 'PB', 'EB'][unit]}`;
  };
  const counted = (number, thing) => `${count(number)} ${thing}${number === 1 ? '' : 's'}`;

  // What can be asked of an edge.
  const labelsOf = (node) => [map.groups[node.group].labels, node.labels].flatMap((labels) =>
    Object.entries(labels).map(([key, value]) => `${key}=${value ?? '(none)'}`));
  const nameOf = (id) => {
    const node = map.nodes[id];
    const group = map.groups[node.group];
    return group.outside ? node.name : `${node.name} in ${group.name}`;
  };
  const nodeLabels = map.nodes.map((node) => new Set(labelsOf(node)));
  const nodeTexts = map.nodes.map((node, id) =>
    [nameOf(id), ...nodeLabels[id], ...node.networks, ...node.addresses].join('\n').toLowerCase());
  const edgeTexts = map.edges.map((edge) => [nodeTexts[edge.source], nodeTexts[edge.destination],
    edge.service.toLowerCase(), edge.ports, fateWords[edge.verdict]].join('\n'));
  const isShown = map.edges.map(() => true);
  let chosen = null; // { kind: 'group' | 'node' | 'link' | 'bundle' | 'edge', id }
  let wasFiltered = false;
  let rowsMax = ROWS_MAX;

  const fill = (select, values) => values.forEach((value) => select.add(new Option(value, value)));
  const sorted = (values) => [...new Set(values)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  fill(byId('label'), sorted(nodeLabels.flatMap((labels) => [...labels])));
  fill(byId('service'), sorted(map.edges.map((edge) => edge.service)));

  function filter() {
    const words = byId('text').value.toLowerCase().split(/\s+/).filter(Boolean);
    const label = byId('label').value;
    const service = byId('service').value;
    const wanted = new Set(all('[name=fate]:checked').map((box) => box.value));
    map.edges.forEach((edge, id) => {
      isShown[id] = wanted.has(edge.verdict) && (!service || edge.service === service)
        && (!label || nodeLabels[edge.source].has(label) || nodeLabels[edge.destination].has(label))
        && words.every((word) => edgeTexts[id].includes(word));
    });
    const shown = map.edges.filter((_, id) => isShown[id]);
    wasFiltered = shown.length < map.edges.length;
    const connections = shown.reduce((sum, edge) => sum + edge.connections, 0);
    byId('shown').textContent = `${count(shown.length)} of ${counted(map.edges.length, 'edge')}, ${counted(connections, 'connection')}`;
    rowsMax = ROWS_MAX;
    draw();
  }

  const linkHas = (id) => links[id].some((edge) => isShown[edge]);
  const edgesOf = ({ kind, id }) => {
    if (kind === 'edge') return [id];
    if (kind === 'link') return links[id].filter((edge) => isShown[edge]);
    if (kind === 'bundle') return bundles[id].flatMap((link) => links[link]).filter((edge) => isShown[edge]);
    const touches = kind === 'node' ? (node) => node === id : (node) => map.nodes[node].group === id;
    return map.edges.flatMap((edge, at) => (isShown[at] && (touches(edge.source) || touches(edge.destination)) ? [at] : []));
  };

  // Everything that depends on filter, choice and view.
  function draw() {
    const marked = chosen && new Set(edgesOf(chosen));
    const isMarked = (edges) => !marked || edges.some((edge) => marked.has(edge));
    // A few lines are drawn thick; many only stay while the others fade.
    const isFew = marked && links.filter((edges) => isMarked(edges)).length <= FEW;
    const nodes = new Set();
    map.edges.forEach((edge, id) => {
      if (isShown[id] && (!marked || marked.has(id))) nodes.add(edge.source).add(edge.destination);
    });
    const groups = new Set([...nodes].map((node) => map.nodes[node].group));
    drawNear();
    linkParts.forEach((part, id) => {
      part.classList.toggle('faded', !isMarked(links[id]));
      part.classList.toggle('chosen', Boolean(isFew) && isMarked(links[id]));
    });
    bundleParts.forEach((part, id) => {
      const edges = bundles[id].flatMap((link) => links[link]);
      part.classList.toggle('away', !edges.some((edge) => isShown[edge]));
      part.classList.toggle('faded', !isMarked(edges));
      part.classList.toggle('chosen', Boolean(isFew || chosen?.kind === 'bundle') && isMarked(edges));
    });
    const mark = (parts, kind, lit) => parts.forEach((part, id) => {
      const isIt = chosen && chosen.kind === kind && chosen.id === id;
      part.classList.toggle('chosen', Boolean(isIt));
      part.classList.toggle('faded', (Boolean(marked) || wasFiltered) && !isIt && !lit.has(id));
    });
    mark(nodeParts, 'node', nodes);
    mark(groupParts, 'group', groups);
    showRows(marked);
  }

  // Of a large map only the links of nodes that are seen: all that depends on the view.
  function drawNear() {
    if (svg.classList.contains('bundled')) return;
    const inView = isLarge ? nodesInView() : null;
    linkParts.forEach((part, id) => {
      const edge = map.edges[links[id][0]];
      const near = !inView || inView[edge.source] || inView[edge.destination];
      part.classList.toggle('away', !near || !linkHas(id));
    });
  }

  function showRows(marked) {
    let seen = 0;
    let matching = 0;
    rows.forEach((row) => {
      const id = Number(row.dataset.edge);
      const matches = isShown[id];
      matching += matches;
      row.hidden = !matches || seen >= rowsMax;
      seen += !row.hidden;
      row.classList.toggle('chosen', Boolean(marked) && marked.has(id));
    });
    const more = byId('more');
    more.hidden = seen === matching;
    more.replaceChildren(`${count(seen)} of ${counted(matching, 'row')} shown. `, button('Show all', () => {
      rowsMax = Infinity;
      draw();
    }));
  }

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function button(text, act) {
    const made = element('button', text);
    made.type = 'button';
    made.addEventListener('click', act);
    return made;
  }

  const titleOf = ({ kind, id }) => {
    const ends = (edge) => `${nameOf(edge.source)} → ${nameOf(edge.destination)}`;
    if (kind === 'group') return map.groups[id].name;
    if (kind === 'node') return nameOf(id);
    if (kind === 'edge') return ends(map.edges[id]);
    if (kind === 'link') return ends(map.edges[links[id][0]]);
    const edge = map.edges[links[bundles[id][0]][0]];
    return [edge.source, edge.destination].map((node) => map.groups[map.nodes[node].group].name).join(' → ');
  };

  function aboutOf({ kind, id }) {
    if (kind !== 'node') return '';
    const node = map.nodes[id];
    const more = (list) => (node.ends > list.length ? ', …' : '');
    return [[...nodeLabels[id]].join(', '), node.networks.length ? `in ${node.networks.join(', ')}` : '',
      node.addresses.length ? `${node.addresses.join(', ')}${more(node.addresses)}` : ''].filter(Boolean).join('; ');
  }

  function showPanel() {
    panel.hidden = !chosen;
    panel.replaceChildren();
    if (!chosen) return;
    const edges = edgesOf(chosen).sort((a, b) => fates.findIndex(([id]) => id === map.edges[a].verdict)
      - fates.findIndex(([id]) => id === map.edges[b].verdict) || map.edges[b].connections - map.edges[a].connections);
    const close = button('Close', () => choose(null));
    close.className = 'close';
    const sum = (of) => edges.reduce((all, id) => all + of(map.edges[id]), 0);
    panel.append(close, element('h2', titleOf(chosen)), element('p', aboutOf(chosen)), element('p',
      `${counted(edges.length, 'edge')}, ${counted(sum((edge) => edge.connections), 'connection')}, `
      + `${bytes(sum((edge) => edge.bytes))} sent, ${bytes(sum((edge) => edge.reply_bytes))} answered`));
    const table = element('table');
    const head = table.createTHead().insertRow();
    head.append(element('th', 'Flow'), element('th', 'Connections, last seen (UTC)', 'number'));
    const body = table.createTBody();
    edges.slice(0, ROWS_MAX).forEach((id) => body.append(panelRow(id)));
    panel.append(table);
    if (edges.length > ROWS_MAX) panel.append(element('p', `and ${counted(edges.length - ROWS_MAX, 'more edge')}`));
  }

  function panelRow(id) {
    const edge = map.edges[id];
    const row = element('tr');
    const flow = element('td');
    const service = edge.service === edge.ports || edge.ports.length > 60 ? edge.service : `${edge.service} (${edge.ports})`;
    flow.append(button(`${nameOf(edge.source)} → ${nameOf(edge.destination)}`, () => choose({ kind: 'edge', id })),
      element('br'), `${service} `, element('b', fateWords[edge.verdict], edge.verdict));
    flow.querySelector('b').style.color = 'var(--fate)';
    const much = element('td', count(edge.connections), 'number');
    much.append(element('small', utc(edge.last)));
    row.append(flow, much);
    return row;
  }

  function choose(what) {
    chosen = what;
    showPanel();
    draw();
  }

  // The view: the part of the picture that is seen.
  const view = { x: 0, y: 0, width, height };
  let isAll = true; // Whether all of it is to be seen, however large the window.
  let wasBundled = isLarge;
  const scale = () => svg.clientWidth / view.width;

  function look() {
    svg.setAttribute('viewBox', `${view.x} ${view.y} ${view.width} ${view.height}`);
    const bundled = isLarge && scale() < CLOSE;
    svg.classList.toggle('bundled', bundled);
    svg.classList.toggle('far', scale() < READABLE);
    if (!isLarge) return;
    if (bundled !== wasBundled) nodeParts.forEach((part) => part.setAttribute('tabindex', bundled ? -1 : 0));
    wasBundled = bundled;
    drawNear();
  }

  let isLooking = false;
  function lookSoon() {
    if (isLooking) return;
    isLooking = true;
    requestAnimationFrame(() => { isLooking = false; look(); });
  }

  // Shows a box of the picture, as large as it can be seen.
  function show(x, y, wide, high) {
    const shape = svg.clientWidth / svg.clientHeight || 1;
    view.width = Math.max(wide, high * shape);
    view.height = view.width / shape;
    view.x = x + (wide - view.width) / 2;
    view.y = y + (high - view.height) / 2;
    isAll = false;
    lookSoon();
  }
  const showAll = () => { show(0, 0, width, height); isAll = true; };

  function showPart(part) {
    const box = part.querySelector('rect').getBBox();
    const margin = 60;
    const least = svg.clientWidth / 1.6;
    const wide = Math.max(box.width + 2 * margin, least);
    show(box.x + box.width / 2 - wide / 2, box.y - margin, wide, box.height + 2 * margin);
  }

  function zoom(by, x = 0.5, y = 0.5) {
    const wide = Math.min(Math.max(view.width / by, 200), Math.max(width, height) * 6);
    const high = wide * view.height / view.width;
    view.x += (view.width - wide) * x;
    view.y += (view.height - high) * y;
    view.width = wide;
    view.height = high;
    isAll = false;
    lookSoon();
  }

  const boxes = nodeParts.map((part) => {
    const rect = part.querySelector('rect');
    return ['x', 'y', 'width', 'height'].map((name) => Number(rect.getAttribute(name)));
  });
  function nodesInView() {
    return boxes.map(([x, y, wide, high]) => x < view.x + view.width && x + wide > view.x
      && y < view.y + view.height && y + high > view.y);
  }

  // What is under the pointer; a line may be missed by a few pixels.
  function partAt(x, y) {
    const near = [[0, 0], [0, 4], [0, -4], [4, 0], [-4, 0], [0, 8], [0, -8], [8, 0], [-8, 0]];
    const parts = near.map(([dx, dy]) => document.elementFromPoint(x + dx, y + dy)?.closest('.node,.link,.bundle,.group'));
    return parts[0]?.matches('.node') ? parts[0] : parts.find((part) => part?.matches('.link,.bundle')) ?? parts[0];
  }

  function choosePart(part) {
    if (!part) return choose(null);
    const [kind] = Object.keys(part.dataset);
    choose({ kind, id: Number(part.dataset[kind]) });
    if (kind === 'group' && svg.classList.contains('bundled')) showPart(part);
    return undefined;
  }

  const pointers = new Map();
  let hasMoved = false;
  svg.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    if (pointers.size === 0) hasMoved = false;
    pointers.set(event.pointerId, event);
  });
  svg.addEventListener('pointermove', (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    if (!hasMoved && Math.hypot(event.clientX - last.clientX, event.clientY - last.clientY) < 5) return;
    hasMoved = true;
    svg.setPointerCapture(event.pointerId);
    svg.classList.add('moving');
    const others = [...pointers.values()].filter((pointer) => pointer.pointerId !== event.pointerId);
    if (others.length === 1) {
      const away = (pointer) => Math.hypot(pointer.clientX - others[0].clientX, pointer.clientY - others[0].clientY);
      const frame = svg.getBoundingClientRect();
      zoom(away(event) / Math.max(away(last), 1), (others[0].clientX - frame.x) / frame.width, (others[0].clientY - frame.y) / frame.height);
    } else {
      isAll = false;
      view.x -= (event.clientX - last.clientX) / scale();
      view.y -= (event.clientY - last.clientY) / scale();
      lookSoon();
    }
    pointers.set(event.pointerId, event);
  });
  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    svg.classList.remove('moving');
    if (!hasMoved && event.type === 'pointerup') choosePart(partAt(event.clientX, event.clientY));
  };
  svg.addEventListener('pointerup', release);
  svg.addEventListener('pointercancel', release);
  svg.addEventListener('wheel', (event) => {
    event.preventDefault();
    const frame = svg.getBoundingClientRect();
    const step = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    zoom(Math.exp(-Math.max(-200, Math.min(200, step)) / 300), (event.clientX - frame.x) / frame.width, (event.clientY - frame.y) / frame.height);
  }, { passive: false });

  svg.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = (x, y) => { isAll = false; view.x += view.width * x; view.y += view.height * y; lookSoon(); };
    const keys = {
      '+': () => zoom(1.3), '=': () => zoom(1.3), '-': () => zoom(1 / 1.3), 0: showAll,
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
      Enter: () => choosePart(event.target.closest('.group,.node')), ' ': () => choosePart(event.target.closest('.group,.node')),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  // What has the focus is seen.
  svg.addEventListener('focusin', (event) => {
    const part = event.target.closest('.group,.node');
    if (!part || !part.matches(':focus-visible')) return;
    const box = part.querySelector('rect').getBBox();
    if (box.x >= view.x && box.y >= view.y && box.x + box.width <= view.x + view.width && box.y + box.height <= view.y + view.height) return;
    show(box.x + box.width / 2 - view.width / 2, box.y + box.height / 2 - view.height / 2, view.width, view.height);
  });
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') choose(null); });

  byId('edges').addEventListener('click', (event) => {
    const row = event.target.closest('tbody tr');
    if (!row || String(getSelection())) return;
    choose({ kind: 'edge', id: Number(row.dataset.edge) });
    svg.scrollIntoView({ block: 'nearest' });
  });
  rows.forEach((row) => {
    const cell = row.cells[0];
    cell.replaceChildren(button(cell.textContent, () => {}));
  });
  const controls = byId('controls');
  controls.addEventListener('input', filter);
  controls.addEventListener('submit', (event) => event.preventDefault());
  controls.addEventListener('reset', () => setTimeout(() => { choose(null); filter(); }));
  byId('in').addEventListener('click', () => zoom(1.4));
  byId('out').addEventListener('click', () => zoom(1 / 1.4));
  byId('all').addEventListener('click', showAll);
  let wide = 0;
  new ResizeObserver(() => {
    // Who saw all of it goes on doing so; otherwise the middle stays in the middle.
    if (svg.clientWidth === 0) return;
    const grown = wide ? svg.clientWidth / wide : 1;
    if (isAll) showAll();
    else show(view.x + view.width * (1 - grown) / 2, view.y, view.width * grown, view.height);
    wide = svg.clientWidth;
  }).observe(svg);
  addEventListener('beforeprint', () => {
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.classList.remove('far');
    svg.classList.toggle('bundled', isLarge);
  });
  addEventListener('afterprint', look);

  document.body.classList.add('works');
  filter();
})();
