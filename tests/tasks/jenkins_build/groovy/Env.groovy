// `env`: what is assigned to it is there for the rest of the build.
class Env {
  private final Steps steps

  Env(Steps steps) { this.steps = steps }

  def propertyMissing(String name) { steps.agentVariables()[name] }

  void propertyMissing(String name, Object value) { steps.shimBuild.set[name] = value.toString() }
}
