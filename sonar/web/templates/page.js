() => {
  // New results are read out as they come, and so are Gradio's own messages, whose heading is no
  // button around another button.
  for (const id of ["looked", "watched", "done"])
    document.getElementById(id)?.setAttribute("aria-live", "polite");
  new MutationObserver(() => {
    for (const head of document.querySelectorAll(".toast-header[role=button]")) {
      head.removeAttribute("role");
      head.removeAttribute("tabindex");
      head.closest(".toast-body")?.setAttribute("role", "alert");
    }
  }).observe(document.body, { childList: true, subtree: true });
}
