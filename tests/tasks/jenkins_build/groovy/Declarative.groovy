import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

// A declarative `pipeline` block: its words are collected first, then its stages are run.
class Declarative {
  final Steps steps
  private boolean failFast
  Declarative(Steps steps) { this.steps = steps }

  void run(Closure body) {
    Stage root = new Stage()
    filled(root, body)
    assert root.where == 'none'
    failFast = root.failFast
    sequence(root.inner)
  }

  // One stage, or the pipeline itself; the methods are the words that may stand in it.
  static class Stage {
    String name, where
    Closure condition, work
    List post = []
    List inner = []
    boolean branches
    boolean failFast

    void agent(String where) { this.where = where }
    void agent(Closure body) { filled(new Agent(stage: this), body) }
    String getNone() { 'none' }
    String getAny() { '' }
    void options(Closure body) { filled(new Options(stage: this), body) }
    void when(Closure body) { filled(new When(stage: this), body) }
    void steps(Closure body) { work = body }
    void post(Closure body) { filled(new Post(stage: this), body) }
    void stages(Closure body) { filled(new Stages(stage: this), body) }
    void parallel(Closure body) {
      branches = true
      stages(body)
    }
  }

  static class Agent {
    Stage stage
    void label(String text) { stage.where = text }
  }

  static class Options {
    Stage stage
    void parallelsAlwaysFailFast() { stage.failFast = true }
    void skipDefaultCheckout() { }
    void preserveStashes(Map options) { assert options.keySet() == ["buildCount"] as Set && options.buildCount in 1..50 }
  }

  static class When {
    Stage stage
    void beforeAgent(boolean early) { assert early }
    void expression(Closure body) { stage.condition = body }
  }

  static class Post {
    Stage stage
    void always(Closure body) { stage.post.add(body) }
  }

  static class Stages {
    Stage stage
    void stage(String name, Closure body) {
      Stage made = new Stage(name: name)
      filled(made, body)
      if (stage.inner*.name.contains(name)) {
        throw new Exception("Expected unique stage names: ${name}")
      }
      stage.inner.add(made)
    }
  }

  static filled(Object words, Closure body) {
    body.delegate = words
    body.resolveStrategy = Closure.DELEGATE_FIRST
    return body()
  }

  private void sequence(List stages) {
    for (stage in stages) {
      conditional(stage)
    }
  }

  private void conditional(Stage stage) {
    if (stage.condition && !filled(steps, stage.condition)) {
      steps.echo("Stage \"${stage.name}\" skipped due to when conditional")
    } else if (stage.where == null || stage.where == 'none') {
      work(stage)
    } else {
      steps.node(stage.where) { work(stage) }
    }
  }

  // A failure stops the stages behind it; what stands in `post` comes first.
  private void work(Stage stage) {
    Exception failure = attempted { inside(stage) }
    for (body in stage.post) {
      Exception other = attempted { filled(steps, body) }
      failure = failure ?: other
    }
    if (failure) {
      throw failure
    }
  }

  private void inside(Stage stage) {
    if (stage.work) {
      filled(steps, stage.work)
    } else if (stage.branches) {
      steps.shimBuild.parallel(stage.inner.collectEntries { Stage one -> [one.name, { conditional(one) }] }, failFast)
    } else {
      sequence(stage.inner)
    }
  }

  private Exception attempted(Closure body) {
    try {
      body()
      return null
    } catch (Exception e) {
      steps.shimBuild.worsen(e instanceof FlowInterruptedException && !e.failFast ? 'ABORTED' : 'FAILURE')
      return e
    }
  }
}
