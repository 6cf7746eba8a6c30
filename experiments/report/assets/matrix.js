box => {
  const all = (from, what) => [...from.querySelectorAll(what)];
  const tokens = JSON.parse(box.dataset.tokens).tokens, L = tokens.length;
  const labels = tokens.map(x => x.replace(/\s/g, '\u2423')).map(x => x.length > 14 ? x.slice(0, 13) + '\u2026' : x);
  const entry = box.querySelector('.matmix-entry'), detail = box.querySelector('.matmix-detail');
  const digits = x => x === 0 ? '0' : x.toPrecision(4);
  const brief = x => (x => x !== 0 && Math.abs(x) < 1e-3 ? x.toExponential() : String(x))(Number(x.toPrecision(2)));
  const largest = values => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

  // Numbers: three bytes each, the upper ones of a float.
  const floats = text => {
    const bytes = atob(text || ''), words = new Uint32Array(bytes.length / 3), byte = k => bytes.charCodeAt(k);
    for (let k = 0; k < words.length; ++k) words[k] = byte(3 * k) << 24 | byte(3 * k + 1) << 16 | byte(3 * k + 2) << 8;
    return new Float32Array(words.buffer);
  };
  const heads = all(box, 'img').map(image => {
    const M = floats(image.dataset.values), difference = floats(image.dataset.difference);
    return {image, name: image.alt, M, fast: M.map((x, k) => x + difference[k]), difference: difference.map(Math.abs),
      ranks: image.dataset.ranks && Uint8Array.from(atob(image.dataset.ranks), c => c.charCodeAt(0)),
      spectrum: image.dataset.spectrum && floats(image.dataset.spectrum)};
  });

  // Colours: a view tells the numbers shown, where on the bar [0, 1] each is, and which are written beside the bar.
  const between = stops => t => {
    const place = Math.max(0, Math.min(1, t)) * (stops.length - 1), k = Math.min(Math.floor(place), stops.length - 2);
    return stops[k].map((a, c) => Math.round(a + (place - k) * (stops[k + 1][c] - a)));
  };
  const below = between([[255, 255, 255], [67, 147, 195], [5, 48, 97]]);
  const above = between([[255, 255, 255], [214, 96, 77], [103, 0, 31]]);
  const signs = t => t < .5 ? below(1 - 2 * t) : above(2 * t - 1);
  const sizes = between([[255, 255, 255], [188, 189, 220], [117, 107, 177], [63, 0, 125]]);
  const viridis = between([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]);
  const row = (M, i) => M.subarray(i * L, i * L + L);
  const shares = M => {
    const sums = tokens.map((_, i) => row(M, i).reduce((a, b) => a + Math.abs(b), 0));
    return M.map((x, k) => x === 0 ? 0 : Math.abs(x) / sums[Math.floor(k / L)]);
  };
  const scales = {
    signed: M => {
      const top = largest(M), strength = x => top > 0 ? Math.log1p(1e3 * Math.abs(x) / top) / Math.log1p(1e3) : 0;
      return {values: M, place: x => (1 + Math.sign(x) * strength(x)) / 2, colour: signs,
        ticks: [1, .1, .01, 0, -.01, -.1, -1].map(x => x * top)};
    },
    size: M => {
      const top = largest(M);
      return {values: M.map(Math.abs), place: x => top > 0 ? x / top : 0, colour: sizes, ticks: [0, top / 2, top]};
    },
    share: M => ({values: shares(M), place: x => x, colour: sizes, ticks: [0, .25, .5, .75, 1]}),
    log: M => {
      const top = largest(M);
      return {values: M.map(Math.abs), place: x => x > 0 ? 1 + Math.log10(x / top) / 6 : 0, colour: sizes,
        ticks: [0, -2, -4, -6].map(x => top * 10 ** x)};
    },
  };
  const found = heads.flatMap(h => [...h.difference]).filter(x => x > 0);
  const high = Math.ceil(Math.log10(found.reduce((a, b) => Math.max(a, b), 1e-300)));
  const least = Math.floor(Math.log10(found.reduce((a, b) => Math.min(a, b), 1e300)));
  const low = Math.max(high - 12, Math.min(high - 1, least));
  const differences = D => ({values: D, place: x => x > 0 ? (Math.log10(x) - low) / (high - low) : 0, colour: viridis,
    ticks: found.length ? Array.from({length: high - low + 1}, (_, k) => 10 ** (low + k)) : [0]});
  const ranking = R => {
    const top = largest(R), step = Math.max(1, Math.ceil(top / 6));
    return {values: R, place: x => top > 0 ? x / top : 0, colour: viridis,
      ticks: Array.from({length: Math.floor(top / step) + 1}, (_, k) => k * step)};
  };
  const form = () => box.querySelector('.matmix-form')?.value ?? 'explicit';
  const scale = () => box.querySelector('.matmix-scale').value;
  const entries = head => form() === 'fast' ? head.fast : head.M;
  const view = head => form() === 'difference' ? differences(head.difference) : scales[scale()](entries(head));

  const painted = (columns, rows, colour) => {
    const canvas = document.createElement('canvas'), context = canvas.getContext('2d');
    canvas.width = columns;
    canvas.height = rows;
    const picture = context.createImageData(columns, rows);
    for (let k = 0; k < columns * rows; ++k) picture.data.set([...colour(k), 255], 4 * k);
    context.putImageData(picture, 0, 0);
    return canvas.toDataURL();
  };
  const picture = v => painted(L, L, k => v.colour(v.place(v.values[k])));

  // The entry under the pointer.
  const say = (head, i, j) => {
    const k = i * L + j, at = `[${i}, ${j}]`;
    const what = form() === 'difference' ? `|fast - explicit|${at} = ${digits(head.difference[k])}`
      : `${form()} M${at} = ${digits(entries(head)[k])}, ${digits(shares(row(entries(head), i))[j])} of its row`;
    entry.textContent = `${head.name}: ${what}, what '${tokens[i]}' takes from '${tokens[j]}'`;
  };
  const follow = (element, f) => element.addEventListener('mousemove', event => {
    const at = element.getBoundingClientRect();
    const place = (x, size) => Math.max(0, Math.min(L - 1, Math.floor(x / size * L)));
    f(place(event.clientY - at.top, at.height), place(event.clientX - at.left, at.width));
  });

  // One head in full.
  const svg = (name, attributes, ...children) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.append(...children);
    return node;
  };
  const words = (x, y, text, more) => svg('text', {x, y, ...more}, text);
  const figure = (name, title, note, width, height, ...children) => {
    const node = document.createElement('figure'), caption = document.createElement('figcaption');
    const line = (name, text) => Object.assign(document.createElement('div'), {className: name, textContent: text});
    caption.append(line('matmix-title', title), line('matmix-faint', note));
    node.className = 'matmix-' + name;
    node.append(caption, svg('svg', {viewBox: `0 0 ${width} ${height}`, width, height}, ...children));
    return node;
  };
  const margin = 24 + 6.7 * labels.reduce((a, x) => Math.max(a, x.length), 0);
  const size = Math.max(240, Math.min(400, 16 * L)), cell = size / L, every = Math.ceil(13 / cell);
  const map = (name, title, note, v, told) => {
    const at = k => margin + (k + .5) * cell, shown = k => k % every === 0;
    const rows = labels.map((x, i) => words(margin - 6, at(i) + 4, shown(i) ? x : '', {'text-anchor': 'end'}));
    const columns = labels.map((x, j) =>
      words(0, 0, shown(j) ? x : '', {transform: `translate(${at(j) + 4} ${margin - 6}) rotate(-90)`}));
    const cells = svg('image', {href: picture(v), x: margin, y: margin, width: size, height: size,
      preserveAspectRatio: 'none'});
    const frame = (x, width) => svg('rect', {x, y: margin, width, height: size, fill: 'none', stroke: '#888'});
    const bar = margin + size + 14;
    const ticks = v.ticks.map(x => words(bar + 20, margin + (1 - v.place(x)) * size + 4, brief(x)));
    follow(cells, (i, j) => {
      for (const [line, k] of [[rows, i], [columns, j]]) line.forEach((x, n) => {
        x.classList.toggle('matmix-on', n === k);
        x.textContent = n === k || shown(n) && Math.abs(n - k) >= every ? labels[n] : '';
      });
      told(i, j);
    });
    return figure(name, title, note, bar + 90, margin + size + 8,
      words(margin, 11, 'from token j', {class: 'matmix-axis'}),
      words(0, 0, 'to token i', {class: 'matmix-axis', transform: `translate(11 ${margin + size}) rotate(-90)`}),
      ...rows, ...columns, cells, frame(margin, size),
      svg('image', {href: painted(1, 128, k => v.colour(1 - k / 127)), x: bar, y: margin, width: 14, height: size,
        preserveAspectRatio: 'none'}), frame(bar, 14), ...ticks);
  };
  const alignment = head => {
    const M = entries(head), parts = shares(M), pitch = L > 40 ? 11 : 16, top = 24, width = 150, right = margin + width;
    const y = k => top + (k + .5) * pitch, lines = [];
    for (let i = 0; i < L; ++i) {
      const here = row(parts, i), largest = [...here.keys()].sort((a, b) => here[b] - here[a]).slice(0, 3);
      for (const j of largest.filter(j => here[j] > 0)) {
        const share = here[j], middle = margin + width / 2;
        lines.push(svg('path', {'data-row': i, 'stroke-width': (.5 + 6 * share).toFixed(2), opacity: .4 + .6 * share,
          stroke: M[i * L + j] < 0 ? '#4393c3' : '#d6604d',
          d: `M${margin} ${y(i)}C${middle} ${y(i)} ${middle} ${y(j)} ${right} ${y(j)}`},
          svg('title', {}, `${labels[i]} \u2190 ${labels[j]}: ${digits(share)} of the row`)));
      }
    }
    const drawn = svg('g', {class: 'matmix-lines'}, ...lines);
    const column = (x, anchor) => labels.map((text, k) =>
      words(x, y(k) + 4, text, {'text-anchor': anchor, 'font-size': Math.min(11, pitch), 'data-row': k}));
    const left = column(margin - 5, 'end'), heading = {class: 'matmix-axis'};
    for (const node of [...left, ...lines]) {
      const light = on => () => {
        drawn.classList.toggle('matmix-dim', on);
        for (const x of [...left, ...lines]) x.classList.toggle('matmix-on', on && x.dataset.row === node.dataset.row);
      };
      node.addEventListener('mouseenter', light(true));
      node.addEventListener('mouseleave', light(false));
    }
    return figure('alignment', 'Which token looks at which',
      'the three largest |M| of each row, as wide as their shares; blue: M < 0', right + margin, top + L * pitch + 8,
      words(margin - 5, 11, 'to token i', {...heading, 'text-anchor': 'end'}),
      words(right + 5, 11, 'from token j', heading), drawn, ...left, ...column(right + 5, 'start'));
  };
  const spectrum = head => {
    const s = head.spectrum, n = s.length, share = k => s[0] > 0 && s[k] > 0 ? Math.log10(s[k] / s[0]) : -Infinity;
    const least = Math.floor(Math.min(...Array.from(s, (_, k) => share(k))));
    const bottom = Math.max(-17, Math.min(-1, least));
    const width = 300, height = 200, left = 48, step = Math.ceil(-bottom / 6);
    const x = k => left + (n > 1 ? k / (n - 1) : .5) * width, y = t => 10 + Math.max(t, bottom) / bottom * height;
    const lines = [];
    for (let t = 0; t >= bottom; t -= step) for (const digit of t > bottom && bottom > -3 ? [10, 5, 2] : [10]) {
      const place = y(t - 1 + Math.log10(digit)), value = brief(digit * 10 ** (t - 1));
      lines.push(svg('line', {x1: left, x2: left + width, y1: place, y2: place, stroke: '#8885'}),
        words(left - 6, place + 4, value, {'text-anchor': 'end'}));
    }
    const points = Array.from(s, (_, k) => `${x(k).toFixed(1)},${y(share(k)).toFixed(1)}`).join(' ');
    const blue = '#4e79a7', middle = {'text-anchor': 'middle'};
    const dots = n > 64 ? [] : Array.from(s, (value, k) =>
      svg('circle', {cx: x(k), cy: y(share(k)), r: 2.6, fill: blue}, svg('title', {}, `${k + 1}: ${digits(value)}`)));
    const ticks = [...new Set([0, Math.floor((n - 1) / 2), n - 1])].map(k => words(x(k), height + 26, k + 1, middle));
    return figure('spectrum', 'Singular values', `as shares of the largest, ${digits(s[0])}`, left + width + 20,
      height + 46, ...lines, svg('polyline', {points, fill: 'none', stroke: blue, 'stroke-width': 1.8}), ...dots,
      ...ticks, words(left + width / 2, height + 42, 'number', {...middle, class: 'matmix-axis'}));
  };
  const ranks = head => {
    const most = side => head.ranks.reduce((a, r, k) => side(Math.floor(k / L), k % L) ? Math.max(a, r) : a, 0);
    const note = `at most ${most((i, j) => i > j)} below the diagonal, ${most((i, j) => i < j)} above it; ` +
      `of singular values from ${brief(Number(box.dataset.tolerance))} of the largest on`;
    return map('ranks', 'Rank of the block from an entry to the far corner', note, ranking(head.ranks), (i, j) =>
      entry.textContent = `${head.name}: rank[${i}, ${j}] = ${head.ranks[i * L + j]}`);
  };
  const note = () => form() !== 'difference' ? box.querySelector('.matmix-scale').selectedOptions[0].textContent
    : found.length > 0 ? `logarithmic, from 1e${low} to 1e${high}, one scale for all heads` : 'all 0';
  let chosen = heads[0];
  const show = () => {
    for (const head of heads) head.image.parentElement.classList.toggle('matmix-chosen', head === chosen);
    const title = `${chosen.name}: ${form() === 'difference' ? '|fast - explicit|' : form() + ' M'}`;
    const parts = [map('map', title, note(), view(chosen), (i, j) => say(chosen, i, j)), alignment(chosen)];
    if (chosen.ranks) parts.push(ranks(chosen));
    if (chosen.spectrum) parts.push(spectrum(chosen));
    detail.replaceChildren(...parts);
  };
  const repaint = () => {
    box.querySelector('.matmix-scale').disabled = form() === 'difference';
    for (const head of heads) head.image.src = picture(view(head));
    show();
  };
  for (const head of heads) {
    follow(head.image, (i, j) => say(head, i, j));
    head.image.addEventListener('click', () => {
      chosen = head;
      show();
    });
  }
  for (const select of all(box, 'select')) select.addEventListener('change', repaint);
  if (heads.length) show();
}
