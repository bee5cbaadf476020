"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const media = document.getElementById("media");
  const slider = document.getElementById("position");
  const cursor = document.getElementById("cursor");
  const timeline = document.getElementById("timeline");
  const now = document.getElementById("now");
  const play = document.getElementById("play");
  const rows = Array.from(document.querySelectorAll("tr[data-t]"));
  const starts = rows.map((row) => Number(row.dataset.t));
  const moments = data.moments;
  let shown = -1;
  let current = null;

  // Index of the last entry of `times` that is not after t, or -1.
  const last = (times, t) => {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= t + 1e-6) low = middle + 1; else high = middle;
    }
    return low - 1;
  };
  const momentTimes = moments.map((moment) => moment[0]);

  const plotOf = () => timeline.querySelector(".plot").getBoundingClientRect();

  const show = () => {
    const t = media.currentTime;
    const box = plotOf();
    const share = data.duration > 0 ? Math.min(1, t / data.duration) : 0;
    cursor.style.left = box.left - timeline.getBoundingClientRect().left + share * box.width + "px";
    slider.value = t;
    const index = last(momentTimes, t);
    // While it plays, a screen reader is not flooded: the words are spoken when it stands still.
    now.setAttribute("aria-live", media.paused ? "polite" : "off");
    if (index !== shown) {
      shown = index;
      now.textContent = index < 0 ? "" : moments[index][1];
      slider.setAttribute("aria-valuetext", t.toFixed(1) + " seconds. " + now.textContent);
    }
    const row = rows[last(starts, t)] || null;
    if (row !== current) {
      if (current) current.removeAttribute("aria-current");
      if (row) row.setAttribute("aria-current", "true");
      current = row;
    }
  };
  const seek = (t) => {
    media.currentTime = Math.max(0, Math.min(data.duration, t));
    show();
  };
  const follow = () => {
    show();
    if (!media.paused) requestAnimationFrame(follow);
  };

  slider.addEventListener("input", () => seek(Number(slider.value)));
  play.addEventListener("click", () => { if (media.paused) media.play(); else media.pause(); });
  media.addEventListener("play", () => { play.textContent = "Pause"; follow(); });
  media.addEventListener("pause", () => { play.textContent = "Play"; show(); });
  for (const name of ["seeked", "timeupdate", "loadedmetadata"]) media.addEventListener(name, show);
  window.addEventListener("resize", show);
  document.getElementById("before").addEventListener("click", () => {
    const earlier = starts.filter((t) => t < media.currentTime - 0.05);
    seek(earlier.length ? earlier[earlier.length - 1] : 0);
  });
  document.getElementById("after").addEventListener("click", () => {
    const later = starts.find((t) => t > media.currentTime + 0.05);
    if (later !== undefined) seek(later);
  });
  timeline.addEventListener("click", (event) => {
    if (!event.target.closest(".plot")) return;
    const box = plotOf();
    seek(((event.clientX - box.left) / box.width) * data.duration);
  });
  for (const row of rows) {
    row.querySelector("button").addEventListener("click", () => seek(Number(row.dataset.t)));
  }
  show();
})();
